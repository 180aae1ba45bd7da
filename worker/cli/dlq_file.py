"""`dlq export` and `import`."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from ...shared import output
from ...shared.command import FailedError
from ...shared.connection import FAULTS, Redis
from .. import audit
from ..audit import Action
from ..dlq import jsonl, possible
from ..dlq.bulk import BATCH, Tally
from ..dlq.filter import Filter
from ..dlq.jsonl import LineError
from ..dlq.moves import Moves, Named
from ..dlq.query import DeadLetters
from . import dlq_look, options
from .recorded import action, recorded

BATCH_BYTES: Final = 8 * 1024 * 1024
"""Total size of the bodies in one round trip; bodies dominate the size of letters."""

STANDARD: Final = Path("-")


def export(config: Path | None, criteria: Filter, file: Path | None) -> None:
    """Write the letters that match, and print their number. Raises FailedError."""
    count = asyncio.run(_export(config, criteria, file or STANDARD))
    print(f"{output.things(count, 'dead letter')} exported", file=sys.stderr)


async def _export(config: Path | None, criteria: Filter, file: Path) -> int:
    count = 0
    async with options.dead_letters(config) as (client, store):
        await possible.require(client, store, criteria.types)
        await store.count(criteria)  # raises for an unknown group before the file is opened, which truncates it
        with _opened(file, "wb") as lines:
            async for batch in store.walk(criteria, BATCH):
                for dead in batch:
                    lines.write(jsonl.write_line(dead.name, dead.letter))
                count += len(batch)
            lines.flush()
    dlq_look.warn_unreadable(store)
    return count


def import_(config: Path | None, file: Path, as_json: bool, why: str) -> None:
    """Put the letters of a file back. Raises FailedError with the problem and the number imported before it."""
    tally = Tally()
    try:
        with _opened(file, "rb") as lines:
            _import(config, lines, tally, action("dlq import", audit.options(file=str(file)), why))
    except LineError as error:
        raise FailedError(f"{file}, {error}; before it, {_sentence(tally)}") from None
    except FAULTS as error:
        raise FailedError(f"Redis: {error or type(error).__name__}; before that, {_sentence(tally)}") from None
    except KeyboardInterrupt:
        print(f"interrupted; {_sentence(tally)}", file=sys.stderr)
        raise
    if as_json:
        output.print_json({"imported": tally.moved, "already_there": tally.gone})
    else:
        print(_sentence(tally))


def _import(config: Path | None, lines: IO[bytes], tally: Tally, started: Action) -> None:
    # The file is read outside the event loop, where Ctrl-C interrupts a blocking read.
    with asyncio.Runner() as runner:
        opening = options.dead_letters(config)
        client, store = runner.run(opening.__aenter__())
        try:
            moves = Moves(client, store.shards)
            with _recorded(runner, client, started, tally):
                for batch in _batches(lines, store):
                    tally.add(runner.run(moves.restore(batch)))
        finally:
            runner.run(opening.__aexit__(None, None, None))


@contextmanager
def _recorded(runner: asyncio.Runner, client: Redis, started: Action, tally: Tally) -> Iterator[None]:
    """`recorded`, for a body outside the event loop."""
    recording = recorded(client, started)
    progress = runner.run(recording.__aenter__())
    try:
        yield
    except BaseException as error:
        progress.set(tally.moved, tally.gone)
        runner.run(recording.__aexit__(type(error), error, error.__traceback__))
        raise
    progress.set(tally.moved, tally.gone)
    runner.run(recording.__aexit__(None, None, None))


def _sentence(tally: Tally) -> str:
    return f"{output.things(tally.moved, 'dead letter')} imported, {tally.gone:,} already there"


def _batches(lines: IO[bytes], store: DeadLetters) -> Iterator[list[Named]]:
    """Yield letters in batches; at an invalid line those before it, then raise LineError."""
    batch: list[Named] = []
    size = 0
    try:
        for number, name, letter in jsonl.read(lines):
            _require(store, letter.group, number)
            batch.append((name, letter))
            size += len(letter.body)
            if len(batch) >= BATCH or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
    except LineError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _require(store: DeadLetters, group: str, number: int) -> None:
    try:
        store.require(group)
    except FailedError as error:
        raise LineError(number, f"{error}; a group is created when its first worker starts") from None


@contextmanager
def _opened(file: Path, mode: str) -> Iterator[IO[bytes]]:
    if file == STANDARD:
        yield output.bytes_in() if mode == "rb" else output.bytes_out()
        return
    try:
        opened = file.open(mode)
    except OSError as error:
        raise FailedError(f"{file}: {error.strerror}") from None
    with opened:
        yield opened

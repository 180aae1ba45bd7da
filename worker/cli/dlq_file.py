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
from ..dlq.importing import Importing, sentence
from ..dlq.jsonl import MAX_LINE_BYTES, LineError
from . import dlq_look, options
from .recorded import action, recorded

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
        raise FailedError(f"{file}, {error}; before it, {sentence(tally)}") from None
    except FAULTS as error:
        raise FailedError(f"Redis: {error or type(error).__name__}; before that, {sentence(tally)}") from None
    except KeyboardInterrupt:
        print(f"interrupted; {sentence(tally)}", file=sys.stderr)
        raise
    if as_json:
        output.print_json({"imported": tally.moved, "already_there": tally.gone})
    else:
        print(sentence(tally))


def _import(config: Path | None, lines: IO[bytes], tally: Tally, started: Action) -> None:
    # The file is read outside the event loop, where Ctrl-C interrupts a blocking read.
    with asyncio.Runner() as runner:
        opening = options.dead_letters(config)
        client, store = runner.run(opening.__aenter__())
        try:
            importing = Importing(client, store, tally)
            with _recorded(runner, client, started, tally):
                try:
                    while line := lines.readline(MAX_LINE_BYTES):
                        if importing.add(line):
                            runner.run(importing.flush())
                except LineError:
                    runner.run(importing.flush())
                    raise
                runner.run(importing.flush())
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

"""How long do the commands for dead letters take with a million of them?

Timed inside one process, from the command's own function to its last line, so that the start of Python, which is the
same for every command, does not hide the cost of the letters; the note has the time of the whole commands.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from hookbus.shared.valkey import Valkey
from hookbus.worker.pipeline.outcome import Cause, DeadLetter
from tests.bench import settled
from tests.bench.figures import Answer, Series, at_most, reported
from tests.bench.question import question
from tests.bench.stage import Stage
from tests.programs import BIN, ROOT

GROUP: Final = "bench"
CAUSES: Final = 5
"""Causes per type: twenty fingerprints in all."""
TRACEBACK: Final = "Traceback (most recent call last):\n" + 8 * '  File "app/handlers.py", line 12, in record\n'


@question("first page of dlq list with a filter, and dlq groups, of a million", dlq_page_ms_at_1m=at_most(100))
async def dlq_page(stage: Stage) -> Sequence[Answer]:
    server = await stage.valkey(appendonly="no")  # only reading is measured, not the write of a million
    await settled.write(server, GROUP, stage.scale(1_000_000, 20_000), dead_letter_of)
    program = await stage.script(server, "tests.bench.sides.dlq_pages", GROUP, str(stage.rounds), ready="measured")
    [measured] = program.logged("measured")
    series = [Series(f"dlq {name}", tuple(measured[name])) for name in ("list", "groups")]
    for number, figures in enumerate(zip(*(side.figures for side in series), strict=True), 1):
        stage.report_round(number, {side.name: figure for side, figure in zip(series, figures, strict=True)})
    listing = await whole_ms(server, "list", "--group", GROUP, "--type", "response.*")
    note = f"the whole commands took {listing:.0f} and {await whole_ms(server, 'groups'):.0f} ms"
    return [reported("dlq_page_ms_at_1m", series, "ms", note)]


def dead_letter_of(number: int) -> DeadLetter:
    """A dead letter with one of the causes."""
    name = f"Error{number % CAUSES}"
    return DeadLetter(
        "attempts_exhausted", Cause(name, f"{name} of customer {number}", TRACEBACK, f"handlers.py:{name}")
    )


async def whole_ms(server: Valkey, *args: str) -> float:
    """Milliseconds that a command takes as a process."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        str(BIN / "hookbus-worker"), "dlq", *args,
        cwd=ROOT, env={"HOOKBUS_REDIS_URL": server.url}, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await process.wait() == 0, args
    return (time.perf_counter() - began) * 1000

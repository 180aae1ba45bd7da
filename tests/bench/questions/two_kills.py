"""How long do harmless deliveries wait whose worker was killed twice, by somebody else?

After two deaths each of them may be the cause. So each runs where it can harm no other, which takes longer.
"""

import signal
import time
from collections.abc import Sequence
from typing import Final

from tests.bench import backlog
from tests.bench.figures import Answer, Series, at_most, reported
from tests.bench.innocents import TAKES_S
from tests.bench.question import question
from tests.bench.stage import Stage
from tests.programs import Worker
from tests.wait import until

INNOCENTS: Final = 20
LATE_S: Final = 300.0
"""Longest wait for the last of them."""


@question("second kill of 20 innocents' worker to the last of them handled", after_two_kills_s=at_most(35))
async def two_kills(stage: Stage) -> Sequence[Answer]:
    server = await stage.valkey()
    await backlog.store(server, INNOCENTS)
    first = await stage.worker(server, "tests.bench.innocents:app")
    await all_told(first, "began")
    second = await stage.worker(server, "tests.bench.innocents:app")
    await first.end(signal.SIGKILL)
    await all_told(second, "began")
    third = await stage.worker(server, "tests.bench.innocents:app")
    await second.end(signal.SIGKILL)
    killed = time.perf_counter()
    await third.until_logged("began", LATE_S)
    waited_s = time.perf_counter() - killed
    await all_told(third, "ended")
    note = f"handlers of {TAKES_S:g} s; the first of them began after {waited_s:.1f} s"
    return [reported("after_two_kills_s", [Series("hookbus", (time.perf_counter() - killed,))], "s", note)]


async def all_told(worker: Worker, event: str) -> None:
    """Wait until a worker told this of each delivery."""
    await until(lambda: len({line["id"] for line in worker.logged(event)}) == INNOCENTS, LATE_S, event)

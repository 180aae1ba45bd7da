"""How long do harmless deliveries wait whose worker was killed twice, by somebody else?

After two deaths each of them may be the cause. So each runs where it can harm no other, which takes longer.
"""

import signal
import time
from collections.abc import Sequence
from typing import Final

from tests.bench import backlog, pace, requests
from tests.bench.figures import Answer, Series, at_most, percentile, reported
from tests.bench.innocents import HEALTHY, TAKES_S
from tests.bench.question import question
from tests.bench.stage import Stage
from tests.bench.waits import Sender
from tests.programs import Worker
from tests.wait import until

INNOCENTS: Final = 20
LATE_S: Final = 300.0
"""Longest wait for the last of them."""
APP: Final = "tests.bench.innocents:app"
RATE: Final = 20.0
"""Events a second for the healthy subscription beside them."""
HEALTHY_S: Final = 5.0


@question("second kill of 20 innocents' worker to the last of them handled", after_two_kills_s=at_most(35))
async def two_kills(stage: Stage) -> Sequence[Answer]:
    server = await stage.valkey()
    first = await stage.worker(server, APP)
    ingest = await stage.ingest(server)
    healthy = Sender(await pace.http(ingest.port).connect(1), post_healthy)
    alone_ms = await p99_ms(healthy, first)
    await backlog.store(server, INNOCENTS)
    await all_told(first, "began")
    second = await stage.worker(server, APP)
    await first.end(signal.SIGKILL)
    await all_told(second, "began")
    third = await stage.worker(server, APP)
    await second.end(signal.SIGKILL)
    killed = time.perf_counter()
    await third.until_logged("began", LATE_S)
    waited_s = time.perf_counter() - killed
    beside_ms = await p99_ms(healthy, third)
    await all_told(third, "ended")
    took = Series("hookbus", (time.perf_counter() - killed,))
    note = (
        f"handlers of {TAKES_S:g} s, of which the first began after {waited_s:.1f} s; p99 of a healthy subscription"
        f" beside them {beside_ms:.3g} ms, alone {alone_ms:.3g} ms"
    )
    return [reported("after_two_kills_s", [took], "s", note)]


async def all_told(worker: Worker, event: str) -> None:
    """Wait until a worker told this of each delivery."""
    await until(lambda: len({line["id"] for line in worker.logged(event)}) == INNOCENTS, LATE_S, event)


async def p99_ms(healthy: Sender, worker: Worker) -> float:
    """How long events of the healthy subscription take now."""
    await pace.steadily(healthy.prepared(int(RATE * HEALTHY_S)), RATE)
    return percentile(await healthy.arrived_ms(worker), 0.99)


def post_healthy(webhook_id: str) -> bytes:
    """A signed request of the type that no worker died with."""
    return requests.request(webhook_id, requests.body(HEALTHY))

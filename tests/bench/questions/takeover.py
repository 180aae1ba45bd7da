"""How long do the deliveries of many dead consumers wait for another one, with many types?

The dead are registered by the search for consumers that are not, at the worker's first steady second.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Final

from hookbus.shared.connection import connect
from hookbus.worker.duties.heartbeat import TTL_S
from tests.bench import backlog, dead
from tests.bench.figures import Answer, at_most, reported
from tests.bench.lone import GROUP, MANY_TYPES
from tests.bench.question import question
from tests.bench.stage import Stage

DEAD: Final = tuple(f"dead{number}" for number in range(50))
HELD: Final = 100
"""Deliveries of the dead, each of another type: no more than a subscription has slots."""
SETTLE_S: Final = TTL_S + 5.0
"""Seconds after which a worker believes that others are dead, and has registered them."""


@question("liveness keys of 50 consumers gone to their last delivery handled, 535 types", takeover_50_dead_s=at_most(2))
async def takeover(stage: Stage) -> Sequence[Answer]:
    [series] = await stage.rounds_of(hookbus=lambda: takeover_s(stage))
    note = f"{len(MANY_TYPES)} types; up to a second of it passes before the worker looks for dead ones"
    return [reported("takeover_50_dead_s", [series], "s", note)]


async def takeover_s(stage: Stage) -> float:
    """Seconds from the death of all consumers until the last of their deliveries is handled."""
    server = await stage.valkey()
    await backlog.store(server, len(MANY_TYPES), MANY_TYPES)
    client = connect(server.url, "bench", connections=1)
    await dead.hold(client, GROUP, DEAD, MANY_TYPES[:HELD])
    worker = await stage.worker(server, "tests.bench.any_type:app", BENCH_EVENTS=str(len(MANY_TYPES)))
    await asyncio.sleep(SETTLE_S + random.random())  # at any time between two looks
    began = time.perf_counter()
    await dead.die(client, DEAD)
    await worker.until_logged("measured", backlog.MEASURED_S)
    took_s = time.perf_counter() - began
    await client.aclose()
    await stage.end(worker)
    await stage.close(server)
    return took_s

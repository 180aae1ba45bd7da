"""A backlog of events, stored by ingest's own queue, and the rate at which a worker handles it.

A group reads its backlog again in each round: its position in the stream is reset, the entries stay.
"""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Final

from redis.exceptions import ResponseError

from hookbus.ingest.commit import Received
from hookbus.ingest.enqueue import Queue
from hookbus.ingest.redis_health import RedisHealth
from hookbus.shared.clock import now_ms
from hookbus.shared.connection import connect
from hookbus.shared.keys import Keys
from hookbus.shared.raw_connection import RawConnection
from hookbus.shared.valkey import Valkey
from tests.bench import requests
from tests.bench.stage import Stage

GROUP: Final = "bench"
MEASURED_S: Final = 300.0
"""Longest wait for a worker to handle its backlog."""
DAYS: Final = 5
BATCH: Final = 256
"""Day sets and batch size of ingest by its defaults of `dedupe_window_h` and `batch_size`."""
KEYS: Final = Keys(0)
STREAM: Final = KEYS.stream(requests.EVENT_TYPE)


async def store(server: Valkey, events: int, types: Sequence[str] = (requests.EVENT_TYPE,)) -> None:
    """Store events in an empty server, by ingest's own queue; the types alternate."""
    client = connect(server.url, "bench", connections=1)
    redis_health = RedisHealth("memory", 1, False)
    await redis_health.on_connect(client.execute_command)  # claims the layout, as a program's start does
    redis_health.fault = None
    line = RawConnection(client)
    queue = Queue(line, 0, redis_health, days=DAYS, batch_size=BATCH, max_waiting=2 * BATCH)
    running = asyncio.create_task(queue.run())
    bodies = {name: requests.body(name) for name in types}
    turns = itertools.cycle(types)
    for first in range(0, events, BATCH):
        names = itertools.islice(turns, min(BATCH, events - first))
        await asyncio.gather(*(queue.store(received(name, bodies[name])) for name in names))
    running.cancel()
    await line.aclose()
    await client.aclose()


def received(event_type: str, body: bytes) -> Received:
    """An event as ingest enqueues it."""
    return Received(event_type, requests.webhook_id(), "openai", now_ms(), body)


async def rewind(server: Valkey, group: str) -> None:
    """Let a group read all of the stream again, if there is such a group."""
    client = connect(server.url, "bench", connections=1)
    try:
        await client.execute_command("XGROUP", "SETID", STREAM, group, "0")
    except ResponseError as error:
        if "NOGROUP" not in str(error):
            raise
    finally:
        await client.aclose()


async def worker_rate(stage: Stage, server: Valkey, events: int, group: str = GROUP) -> float:
    """Events a second that one hookbus-worker handles, from the first to the last of `events`."""
    await rewind(server, group)
    worker = await stage.worker(
        server, "tests.bench.handlers:app", BENCH_GROUP=group, BENCH_EVENTS=str(events)
    )  # fmt: skip
    measured = await worker.until_logged("measured", MEASURED_S)
    await stage.end(worker)
    return float(events / measured["seconds"])


async def loop_rate(stage: Stage, server: Valkey, events: int) -> float:
    """Events a second that the bare loop handles."""
    loop = await stage.script(
        server, "tests.bench.sides.bare_loop", server.url, str(events), ready="measured", limit_s=MEASURED_S
    )
    [measured] = loop.logged("measured")
    await stage.end(loop)
    return float(events / measured["seconds"])

"""Writes dead letters and waiting retries in bulk.

Real programs would take four minutes for 400,000 failures, most of it for HTTP and handlers. So ingest's group commit
stores the events without HTTP, and a consumer of the test reads them and writes each outcome by the worker's own calls,
without handlers. The outcomes are copies of those that a real worker wrote for real failures.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from redis.asyncio import Redis

from hookbus.ingest.commit import Received
from hookbus.ingest.enqueue import Queue
from hookbus.ingest.redis_health import RedisHealth
from hookbus.shared import scripts
from hookbus.shared.clock import now_ms
from hookbus.shared.connection import connect
from hookbus.shared.keys import Keys
from hookbus.worker.api.delivery import InFlight
from hookbus.worker.pipeline.in_flight import in_flight_of
from hookbus.worker.pipeline.outcome import Outcome
from hookbus.worker.pipeline.pending_outcome import PendingOutcome
from hookbus.worker.pipeline.slots import Slots
from tests.programs import event_body

KEYS: Final = Keys(0)
CONSUMER: Final = "bulk"
BATCH: Final = 500
"""Outcomes written in one round trip."""
DURATION_S: Final = 0.001

Make = Callable[[int], tuple[str, dict[str, Any]]]
"""Event type and `data` by number."""


async def store(url: str, count: int, make: Make) -> dict[str, str]:
    """Store many events as ingest does. Returns the type of each webhook-id."""
    stored: dict[str, str] = {}
    redis_health = RedisHealth("fsync", 1, unsafe=False)
    redis_health.fault = None
    client = connect(url, "chaos", connections=1)
    queue = Queue(client, 0, redis_health, days=5, batch_size=BATCH, max_waiting=count)
    commits = asyncio.create_task(queue.run())
    try:
        for numbers in batches(count, 10 * BATCH):
            events = [received(number, *make(number)) for number in numbers]
            assert all(await asyncio.gather(*map(queue.store, events)))
            stored |= {event.webhook_id: event.event_type for event in events}
    finally:
        commits.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await commits
        await client.aclose()
    return stored


def batches(count: int, size: int) -> Iterator[range]:
    """The numbers below `count`, some at a time."""
    for first in range(0, count, size):
        yield range(first, min(first + size, count))


def received(number: int, event_type: str, data: dict[str, Any]) -> Received:
    """An event as ingest has it after verification."""
    return Received(event_type, f"wh_bulk_{number}", "openai", now_ms(), event_body(event_type, **data))


async def settle(client: Redis, group: str, types: Sequence[str], outcome: Callable[[InFlight], Outcome]) -> None:
    """Read everything that was not delivered to a group yet, and write an outcome for each delivery."""
    for event_type in types:
        stream = KEYS.stream(event_type)
        read_on = ("XREADGROUP", "GROUP", group, CONSUMER, "COUNT", BATCH, "STREAMS", stream, ">")
        while reply := await client.execute_command(*read_on):
            batch = [in_flight_of(stream, event_type, False, group, name, fields) for name, fields in reply[0][1]]
            results = await scripts.run_all(client, [written(in_flight, outcome(in_flight)) for in_flight in batch])
            assert all(result == 1 for result in results), results


def written(in_flight: InFlight, outcome: Outcome) -> scripts.Call:
    """The call by which a worker writes an outcome."""
    return PendingOutcome(in_flight, outcome, Slots(1), DURATION_S, now_ms()).call(CONSUMER)

"""Many parked retries or dead letters, written by the scripts with which workers settle.

Each entry passes as a redelivery: it is stored in the group's own stream, read by a consumer, and parked or
dead-lettered by it.
"""

from collections.abc import Callable, Sequence
from typing import Final

from redis.asyncio import Redis

from hookbus.shared import entry, scripts
from hookbus.shared.clock import now_ms
from hookbus.shared.connection import connect
from hookbus.shared.entry import Entry
from hookbus.shared.valkey import Valkey
from hookbus.worker.pipeline.in_flight import in_flight_of
from hookbus.worker.pipeline.outcome import DeadLetter, Park
from hookbus.worker.pipeline.pending_outcome import PendingOutcome
from hookbus.worker.pipeline.slots import Slots
from tests.bench import requests
from tests.bench.backlog import KEYS

CONSUMER: Final = "bench"
AT_ONCE: Final = 1000
TYPES: Final = ("response.completed", "response.failed", "batch.completed", "batch.failed")

OutcomeOf = Callable[[int], Park | DeadLetter]


async def write(server: Valkey, group: str, count: int, outcome_of: OutcomeOf, types: Sequence[str] = TYPES) -> None:
    """Settle `count` deliveries of a group with the outcome of each; the types alternate."""
    client = connect(server.url, "bench", connections=1)
    await client.execute_command("HSET", KEYS.groups, group, "0")
    for first in range(0, count, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, count))
        await _settle(client, group, types[first // AT_ONCE % len(types)], [outcome_of(number) for number in numbers])
    await client.aclose()


async def _settle(client: Redis, group: str, event_type: str, outcomes: Sequence[Park | DeadLetter]) -> None:
    stream = KEYS.redelivery(event_type, group)
    body, now = requests.body(event_type), now_ms()
    pipeline = client.pipeline(transaction=False)
    pipeline.execute_command("XGROUP", "CREATE", stream, group, "0", "MKSTREAM")  # it goes with its last entry
    for _ in outcomes:
        event = Entry(requests.webhook_id(), "openai", now, body)
        pipeline.execute_command("XADD", stream, "*", *entry.redelivery_fields(event, 1, ()))
    read_entries = ("XREADGROUP", "GROUP", group, CONSUMER, "COUNT", len(outcomes), "STREAMS", stream, ">")
    pipeline.execute_command(*read_entries)
    [[_, entries]] = (await pipeline.execute())[-1]
    slots = Slots(len(outcomes))
    in_flight = [in_flight_of(stream, event_type, True, group, entry_id, fields) for entry_id, fields in entries]
    calls = [
        PendingOutcome(delivery, outcome, slots, 0.01, now).call(CONSUMER)
        for delivery, outcome in zip(in_flight, outcomes, strict=True)
    ]
    assert set(await scripts.run_all(client, calls)) == {1}, "not all were settled"

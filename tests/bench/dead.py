"""Consumers that died with deliveries in hand, as Redis sees them: pending entries, and no liveness key."""

from collections.abc import Sequence

from hookbus.shared.clock import now_ms
from hookbus.shared.connection import Redis
from tests.bench.backlog import KEYS


async def hold(client: Redis, group: str, consumers: Sequence[str], types: Sequence[str]) -> None:
    """Let each consumer, which counts as alive, read one event of each of its share of the types."""
    pipeline = client.pipeline(transaction=False)
    pipeline.execute_command("HSET", KEYS.groups, group, "0")
    for number, name in enumerate(types):
        stream, consumer = KEYS.stream(name), consumers[number % len(consumers)]
        pipeline.execute_command("XGROUP", "CREATE", stream, group, "0", "MKSTREAM")
        pipeline.execute_command("XREADGROUP", "GROUP", group, consumer, "COUNT", 1, "STREAMS", stream, ">")
    for consumer in consumers:
        pipeline.execute_command("SET", KEYS.alive(consumer), 1)
    await pipeline.execute()


async def die(client: Redis, consumers: Sequence[str]) -> None:
    """Let the liveness keys of all consumers expire at once."""
    pipeline = client.pipeline(transaction=True)
    pipeline.execute_command("ZADD", KEYS.expiries, *(word for name in consumers for word in (now_ms(), name)))
    pipeline.execute_command("DEL", *map(KEYS.alive, consumers))
    await pipeline.execute()

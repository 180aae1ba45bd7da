"""Dead letters for tests."""

from typing import Any

from redis.asyncio import Redis

from hookbus.shared import keys, scripts
from hookbus.shared.entry import Failure
from hookbus.shared.keys import Keys, shard_of
from hookbus.worker.dlq.moves import restore
from hookbus.worker.dlq.query import DeadLetters
from hookbus.worker.pipeline.dead_letter import DeadLetterRecord, fingerprint

DEAD_MS = 1_700_000_000_000


def letter(name: str = "wh_1", **changes: Any) -> DeadLetterRecord:
    """A letter; `fingerprint` is computed from the other fields."""
    record = {
        "type": "response.completed",
        "group": "billing",
        "webhook_id": name,
        "source": "openai",
        "received_at_ms": DEAD_MS - 60_000,
        "dead_lettered_at_ms": DEAD_MS,
        "reason": "attempts_exhausted",
        "error_class": "ValueError",
        "message": "no such customer",
        "traceback": "Traceback (most recent call last):\n  ...\nValueError: no such customer\n",
        "frame": "handlers.py:record",
        "attempts": 20,
        "history": (Failure(20, DEAD_MS, 1500, "host.1.abcd", "ValueError: no such customer"),),
        "body": b'{"id":"evt_1","type":"response.completed"}',
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    } | changes
    cause = (record["error_class"], record["frame"], record["type"], record["reason"])
    return DeadLetterRecord(**record, fingerprint=fingerprint(*cause))


async def create_groups(client: Redis, *groups: str, shards: int = 1) -> None:
    """Make the Redis of a deployment in which these groups have run."""
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT, "shards", shards)
    for shard in range(shards):
        for group in groups:
            await client.execute_command("HSET", Keys(shard).groups, group, "0")


async def subscribe(client: Redis, *patterns: str, group: str = "billing", shards: int = 1) -> None:
    """Create a group with its published patterns."""
    await create_groups(client, group, shards=shards)
    for shard in range(shards):
        await client.execute_command("HSET", Keys(shard).patterns, group, " ".join(patterns or ("*",)))


async def start_workers(client: Redis, *groups: str) -> None:
    """Make each group one that has a live worker."""
    for group in groups:
        await client.execute_command("HSET", Keys(0).consumers(group), f"{group}.1", "{}")
        await client.execute_command("SET", Keys(0).alive(f"{group}.1"), 1, "PX", 60_000)


async def store_letters(client: Redis, *letters: DeadLetterRecord, shards: int = 1) -> None:
    """Write letters to their keys."""
    calls = [restore(Keys(shard_of(each.webhook_id, shards)), each.webhook_id, each) for each in letters]
    for i in range(0, len(calls), 1000):
        assert all(result == 1 for result in await scripts.run_all(client, calls[i : i + 1000]))


async def opened(client: Redis) -> DeadLetters:
    """A letter store as the tools open it."""
    return await DeadLetters.open(client, 1)


async def keys_left(client: Redis, pattern: str = "*:dead:*") -> list[bytes]:
    """The keys that match a pattern."""
    return sorted(await client.execute_command("KEYS", f"hookbus:{pattern}"))

"""Stored events for tests: retained, and delivered to a group."""

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from hookbus.shared.keys import Keys, shard_of
from tests.programs import event_body
from tests.worker.builders import GROUP, TYPE

AT_MS = 1_700_000_000_000
"""The time at which Redis stored the first event."""


async def retain(
    client: Redis, *names: str, event_type: str = TYPE, at_ms: int = AT_MS, step_ms: int = 1, shards: int = 1
) -> None:
    """Store events, one every `step_ms`, each in its shard."""
    pipeline = client.pipeline(transaction=False)
    for i, name in enumerate(names):
        keys, stored_ms = Keys(shard_of(name, shards)), at_ms + i * step_ms
        pipeline.execute_command("SADD", keys.types, event_type)
        pipeline.execute_command(
            "XADD",
            keys.stream(event_type),
            f"{stored_ms}-*",
            "id",
            name,
            "src",
            "openai",
            "at",
            stored_ms - 5,
            "body",
            event_body(event_type, id=name),
            "tp",
            "00-trace-01",
        )
    await pipeline.execute()


async def hand_out(client: Redis, *types: str, group: str = GROUP, shards: int = 1, acks: bool = True) -> list[bytes]:
    """Have the group read and, with `acks`, handle all events of some types. Returns the entry ids."""
    entry_ids: list[bytes] = []
    for shard in range(shards):
        for stream in map(Keys(shard).stream, types or (TYPE,)):
            if not await client.execute_command("EXISTS", stream):
                continue
            await (
                client.pipeline(transaction=False)
                .execute_command("XGROUP", "CREATE", stream, group, "0")
                .execute(raise_on_error=False)
            )
            reply: Sequence[Any] = await client.execute_command(
                "XREADGROUP", "GROUP", group, "me", "COUNT", 100_000, "STREAMS", stream, ">"
            )
            ids = [entry_id for entry_id, _ in reply[0][1]] if reply else []
            if acks and ids:
                await client.execute_command("XACK", stream, group, *ids)
            entry_ids += ids
    return entry_ids

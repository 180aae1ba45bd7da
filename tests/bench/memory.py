"""The memory that keys take in Redis: the memory that is freed by their deletion."""

from collections.abc import Iterable

from redis.asyncio import Redis

from hookbus.shared.connection import parse_info
from tests.wait import until


async def bytes_of(client: Redis, names: Iterable[str]) -> int:
    """Delete these keys; returns the bytes that this freed."""
    before = await used_bytes(client)
    await client.execute_command("DEL", *names)

    async def is_freed() -> bool:
        # Valkey frees large values in a thread, even after DEL.
        return (await _memory(client))["lazyfree_pending_objects"] == "0"

    await until(is_freed, what="the end of freeing")
    return before - await used_bytes(client)


async def used_bytes(client: Redis) -> int:
    """Bytes that the allocator of Redis has given out."""
    return int((await _memory(client))["used_memory"])


async def keys_like(client: Redis, pattern: str) -> list[str]:
    """The keys of a pattern; only for servers of the bench, as KEYS blocks every other client."""
    return [name.decode() for name in await client.execute_command("KEYS", pattern)]


async def _memory(client: Redis) -> dict[str, str]:
    return parse_info(await client.execute_command("INFO", "memory"))

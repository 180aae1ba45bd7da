"""How much memory Redis has for something: what becomes free when that is deleted."""

from collections.abc import Iterable

from redis.asyncio import Redis

from hookbus.shared.connection import parse_info
from tests.wait import until


async def bytes_of(client: Redis, names: Iterable[str]) -> int:
    """Bytes that went with these keys, which are deleted."""
    before = await used_bytes(client)
    await client.execute_command("DEL", *names)

    async def is_freed() -> bool:
        # Valkey frees large values in a thread, also after DEL.
        return (await _memory(client))["lazyfree_pending_objects"] == "0"

    await until(is_freed, what="the end of freeing")
    return before - await used_bytes(client)


async def used_bytes(client: Redis) -> int:
    """What Redis' allocator gave away."""
    return int((await _memory(client))["used_memory"])


async def keys_like(client: Redis, pattern: str) -> list[str]:
    """The keys of a pattern; for servers of our own, where nobody waits meanwhile."""
    return [name.decode() for name in await client.execute_command("KEYS", pattern)]


async def _memory(client: Redis) -> dict[str, str]:
    return parse_info(await client.execute_command("INFO", "memory"))

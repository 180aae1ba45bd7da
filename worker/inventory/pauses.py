"""What an operator paused, as it lies in Redis. `paused` keeps to it."""

from collections.abc import Sequence
from typing import Final

from ...shared.connection import Redis
from ...shared.keys import Keys
from . import registry
from .registry import execute_all

ALL: Final = "*"


async def fetch(client: Redis, shards: Sequence[Keys], group: str) -> dict[str, int]:
    """Paused pattern → since when, Unix ms. Raises RedisError, OSError.

    Every shard says the same, unless a `pause` was cut off half-way: what one of them says holds.
    """
    found: dict[str, int] = {}
    for flat in await execute_all(client, [("HGETALL", keys.paused(group)) for keys in shards]):
        for name, since_ms in zip(flat[::2], flat[1::2], strict=True):
            found[name.decode()] = int(since_ms)
    return dict(sorted(found.items()))


async def write(client: Redis, shards: Sequence[Keys], group: str, pattern: str) -> list[str]:
    """Pause; the patterns that were not paused before. Raises RedisError, OSError."""
    now_ms = await registry.now_ms(client)
    added = await execute_all(client, [("HSETNX", keys.paused(group), pattern, now_ms) for keys in shards])
    return [pattern] if any(added) else []


async def erase(client: Redis, shards: Sequence[Keys], group: str, pattern: str) -> list[str]:
    """Resume, `ALL` for whatever is paused; the patterns that were. Raises RedisError, OSError."""
    known = await fetch(client, shards, group)
    chosen = [name for name in known if pattern in (ALL, name)]
    if chosen:
        await execute_all(client, [("HDEL", keys.paused(group), *chosen) for keys in shards])
    return chosen

"""The pauses of a group in Redis. The duty `paused` applies them."""

from collections.abc import Sequence
from typing import Final

from ...shared.connection import Redis
from ...shared.keys import Keys
from ...shared.pipelined import execute_all
from . import registry

ALL: Final = "*"


async def fetch(client: Redis, shards: Sequence[Keys], group: str) -> dict[str, int]:
    """Return paused pattern → since when, Unix ms. Raises RedisError, OSError.

    All shards hold the same pauses unless a `pause` was interrupted; a pause in one of them counts.
    """
    paused: dict[str, int] = {}
    for flat in await execute_all(client, [("HGETALL", keys.paused(group)) for keys in shards]):
        for name, since_ms in zip(flat[::2], flat[1::2], strict=True):
            paused[name.decode()] = int(since_ms)
    return dict(sorted(paused.items()))


async def write(client: Redis, shards: Sequence[Keys], group: str, pattern: str) -> list[str]:
    """Pause a pattern; returns it unless it was paused before. Raises RedisError, OSError."""
    now_ms = await registry.now_ms(client)
    added = await execute_all(client, [("HSETNX", keys.paused(group), pattern, now_ms) for keys in shards])
    return [pattern] if any(added) else []


async def erase(client: Redis, shards: Sequence[Keys], group: str, pattern: str) -> list[str]:
    """Resume a pattern, `ALL` for every paused one; returns the resumed patterns. Raises RedisError, OSError."""
    paused = await fetch(client, shards, group)
    chosen = [name for name in paused if pattern in (ALL, name)]
    if chosen:
        await execute_all(client, [("HDEL", keys.paused(group), *chosen) for keys in shards])
    return chosen

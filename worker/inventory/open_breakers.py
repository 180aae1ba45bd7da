"""The open circuit breakers of a group in Redis. The duty `circuit` opens and closes them."""

from typing import Final

import msgspec

from ...shared.connection import Redis
from ...shared.keys import Keys
from .lag import pairs


class Opened(msgspec.Struct, frozen=True):
    """An open breaker, shared by all workers of a group. Times in Unix ms."""

    fingerprint: str
    """Of the last failure, as its dead letter would have it. For people: it has no effect."""
    error: str
    since_ms: int
    try_ms: int
    """When a delivery may probe; while one probes, when it counts as lost."""
    times: int = 1
    prober: str = ""
    """The consumer whose delivery probes."""
    frame: str = ""
    """Line of the last failure, `path:line`; "" for a breaker that an earlier release opened."""


encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(Opened).decode


async def fetch(client: Redis, group: str) -> dict[str, Opened]:
    """Return the open breakers of a group by pattern. Raises RedisError, OSError."""
    flat = await client.execute_command("HGETALL", Keys(0).breakers(group))
    return {name: decode(value) for name, value in pairs(flat).items()}


async def close(client: Redis, group: str, pattern: str) -> list[str]:
    """Close breakers at once, `*` for all of the group; returns their patterns. Raises RedisError, OSError."""
    chosen = [name for name in await fetch(client, group) if pattern in ("*", name)]
    if chosen:
        await client.execute_command("HDEL", Keys(0).breakers(group), *chosen)
    return sorted(chosen)

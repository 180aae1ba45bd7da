"""The open circuit breakers of a group as they lie in Redis. `circuit` opens and closes them."""

from typing import Final

import msgspec

from ...shared.connection import Redis
from ...shared.keys import Keys


class Opened(msgspec.Struct, frozen=True):
    """What all workers of a group know of an open breaker. Times in Unix ms."""

    fingerprint: str
    """Of the last failure, as among the dead letters that it would become. For people: it decides nothing."""
    error: str
    since_ms: int
    try_ms: int
    """When a delivery may try; while one does, when it counts as lost."""
    times: int = 1
    prober: str = ""
    """The consumer that has one trying."""
    frame: str = ""
    """Line of the last failure, `path:line`; "" of one that an earlier release opened."""


encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(Opened).decode


async def fetch(client: Redis, group: str) -> dict[str, Opened]:
    """The open breakers of a group by pattern. Raises RedisError, OSError."""
    flat = await client.execute_command("HGETALL", Keys(0).breakers(group))
    return {name.decode(): decode(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}


async def close(client: Redis, group: str, pattern: str) -> list[str]:
    """Close breakers at once, `*` for all of the group; their patterns. Raises RedisError, OSError."""
    chosen = [name for name in await fetch(client, group) if pattern in ("*", name)]
    if chosen:
        await client.execute_command("HDEL", Keys(0).breakers(group), *chosen)
    return sorted(chosen)

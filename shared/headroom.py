"""How many more events Redis has memory for, and how long that lasts should nobody handle any.

Measured on what is there: what the streams take for each event, and when the last ones came. Costs three commands for
each type, of which one returns at most `SAMPLE` events.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.keys import Keys
from shared.redis_report import RedisReport

SAMPLE: Final = 50
"""Last events of a type by which its rate is judged."""
FEW: Final = 100
"""Events below which what a stream takes says little about one of them."""
THIN_EVENT_BYTES: Final = 230
"""What Redis takes for an event of OpenAI's (measured: 227 for 213 bytes of payload)."""
DIGEST_BYTES: Final = 40
"""What the dedupe takes for a webhook-id (measured)."""


class Headroom(msgspec.Struct, frozen=True):
    """`lasts_s` is None while no events come; `event_bytes` is what one takes in Redis."""

    events: int
    event_bytes: int
    rate_per_s: float
    lasts_s: float | None


def headroom(redis: RedisReport, event_bytes: int, rate_per_s: float) -> Headroom | None:
    """The room below the limit; None where there is no limit."""
    if redis.maxmemory_bytes <= 0:
        return None
    events = max(0, redis.maxmemory_bytes - redis.used_memory_bytes) // event_bytes
    return Headroom(events, event_bytes, round(rate_per_s, 3), events / rate_per_s if rate_per_s else None)


async def look(client: Redis, shards: Sequence[Keys], redis: RedisReport, now_ms: int) -> Headroom | None:
    """The head room now. Raises RedisError, OSError."""
    count, size_bytes, rate_per_s = 0, 0, 0.0
    for shard in shards:
        for name in await client.execute_command("SMEMBERS", shard.types):
            stream = shard.stream(name.decode())
            length, taken = await _size(client, stream)
            count += length
            size_bytes += taken
            rate_per_s += rate(await _last_ms(client, stream), now_ms)
    event_bytes = size_bytes // count if count >= FEW and size_bytes else THIN_EVENT_BYTES
    return headroom(redis, event_bytes + DIGEST_BYTES, rate_per_s)


def rate(times_ms: Sequence[int], now_ms: int) -> float:
    """Events a second, from when the last ones came, newest first."""
    return len(times_ms) / max(1.0, (now_ms - times_ms[-1]) / 1000) if times_ms else 0.0


async def _last_ms(client: Redis, stream: str) -> list[int]:
    """When the last events of a stream came, newest first; none where they may not be read, as by ingest's user,
    or where something else lies there."""
    try:
        last = await client.execute_command("XREVRANGE", stream, "+", "-", "COUNT", SAMPLE)
    except ResponseError:
        return []
    return [int(entry_id.partition(b"-")[0]) for entry_id, _ in last]


async def _size(client: Redis, stream: str) -> tuple[int, int]:
    """Events of a stream, and bytes that it takes; 0 bytes where Redis does not tell."""
    length = 0
    try:
        length = await client.execute_command("XLEN", stream)
        return length, await client.execute_command("MEMORY", "USAGE", stream) or 0
    except ResponseError:
        return length, 0

"""How many more events Redis has memory for, and how long that lasts should nobody handle any.

Measured on what is there: what the streams take for each event, and when the last ones came. Costs three commands for
each type, of which one returns at most `SAMPLE` events, some hundreds of types a round trip.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from redis.exceptions import ResponseError

from .connection import Redis
from .keys import Keys
from .pipelined import execute_all
from .raw_connection import Command
from .redis_report import RedisReport

SAMPLE: Final = 50
"""Last events of a type by which its rate is judged."""
TYPES: Final = 250
"""Most types in one round trip: 20,000 take 80 of them, and Redis is held up for about a millisecond by each."""
REPLY_BYTES: Final = 4 * 2**20
"""About the most that a round trip may return: the samples come with their bodies."""
UNKNOWN_SAMPLE_BYTES: Final = 2**20
"""Taken for a sample where Redis does not tell what a stream takes."""
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


async def fetch(client: Redis, shards: Sequence[Keys], redis: RedisReport, now_ms: int) -> Headroom | None:
    """The head room now. Raises RedisError, OSError."""
    count, size_bytes, rate_per_s = 0, 0, 0.0
    for shard in shards:
        names = await client.execute_command("SMEMBERS", shard.types)
        for some in _chunks([shard.stream(name.decode()) for name in names]):
            sizes = await _sizes(client, some)
            count += sum(size.events for size in sizes)
            size_bytes += sum(size.taken_bytes for size in sizes)
            for sampled in _samples(sizes):
                rate_per_s += sum(rate(times_ms, now_ms) for times_ms in await _last_ms(client, sampled))
    event_bytes = size_bytes // count if count >= FEW and size_bytes else THIN_EVENT_BYTES
    return headroom(redis, event_bytes + DIGEST_BYTES, rate_per_s)


def rate(times_ms: Sequence[int], now_ms: int) -> float:
    """Events a second, from when the last ones came, newest first."""
    return len(times_ms) / max(1.0, (now_ms - times_ms[-1]) / 1000) if times_ms else 0.0


class _Size(msgspec.Struct, frozen=True):
    """Of a stream; `taken_bytes` is 0 where Redis does not tell."""

    stream: str
    events: int
    taken_bytes: int

    @property
    def sample_bytes(self) -> int:
        """About what its last events have."""
        return self.taken_bytes // self.events * min(SAMPLE, self.events) if self.taken_bytes else UNKNOWN_SAMPLE_BYTES


def _chunks(streams: Sequence[str]) -> Iterator[Sequence[str]]:
    return (streams[first : first + TYPES] for first in range(0, len(streams), TYPES))


async def _sizes(client: Redis, streams: Sequence[str]) -> list[_Size]:
    """Of those that hold events. What is no stream, or may not be looked at, holds none."""
    commands = [command for stream in streams for command in (("XLEN", stream), ("MEMORY", "USAGE", stream))]
    replies = await _replies(client, commands)
    sizes = zip(streams, replies[::2], replies[1::2], strict=True)
    return [_Size(stream, length, taken or 0) for stream, length, taken in sizes if length]


def _samples(sizes: Sequence[_Size]) -> Iterator[list[str]]:
    """Streams whose last events fit into a reply together, and at least one."""
    sampled: list[str] = []
    reply_bytes = 0
    for size in sizes:
        if sampled and reply_bytes + size.sample_bytes > REPLY_BYTES:
            yield sampled
            sampled, reply_bytes = [], 0
        sampled.append(size.stream)
        reply_bytes += size.sample_bytes
    if sampled:
        yield sampled


async def _last_ms(client: Redis, streams: Sequence[str]) -> list[list[int]]:
    """When the last events of each came, newest first; none where they may not be read, as by ingest's user."""
    replies = await _replies(client, [("XREVRANGE", stream, "+", "-", "COUNT", SAMPLE) for stream in streams])
    return [[int(entry_id.partition(b"-")[0]) for entry_id, _ in last or ()] for last in replies]


async def _replies(client: Redis, commands: Sequence[Command]) -> list[Any]:
    """None in the place of each that was refused. Raises RedisError, OSError."""
    replies = await execute_all(client, commands, raises=False)
    return [None if isinstance(reply, ResponseError) else reply for reply in replies]

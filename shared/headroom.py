"""How many more events Redis has memory for, and how long that lasts if none is handled.

Measured on stored events: the memory that streams take for each, and when the last ones arrived. Costs three commands
for each type, of which one returns at most `SAMPLE` events, some hundreds of types a round trip.
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
"""Number of last events of a type from which its rate is computed."""
TYPES: Final = 250
"""Most types in one round trip: 20,000 take 80 of them, and Redis is held up for about a millisecond by each."""
REPLY_BYTES: Final = 4 * 2**20
"""Approximate limit of the replies of one round trip: the samples include their bodies."""
UNKNOWN_SAMPLE_BYTES: Final = 2**20
"""Assumed size of a sample if Redis does not report the memory of its stream."""
FEW: Final = 100
"""With fewer events, the memory of the streams says little about that of one event."""
THIN_EVENT_BYTES: Final = 230
"""Memory that Redis takes for an event of OpenAI (measured: 227 for 213 bytes of payload)."""
DIGEST_BYTES: Final = 40
"""Memory that the dedupe takes for a webhook-id (measured)."""


class Headroom(msgspec.Struct, frozen=True):
    """`lasts_s` is None while no events arrive; `event_bytes` is the memory of one event in Redis."""

    events: int
    event_bytes: int
    rate_per_s: float
    lasts_s: float | None


def headroom(redis: RedisReport, event_bytes: int, rate_per_s: float) -> Headroom | None:
    """The headroom below `maxmemory`; None without a limit."""
    if redis.maxmemory_bytes <= 0:
        return None
    events = max(0, redis.maxmemory_bytes - redis.used_memory_bytes) // event_bytes
    return Headroom(events, event_bytes, round(rate_per_s, 3), events / rate_per_s if rate_per_s else None)


async def fetch(client: Redis, shards: Sequence[Keys], redis: RedisReport, now_ms: int) -> Headroom | None:
    """The present headroom. Raises RedisError, OSError."""
    count, size_bytes, rate_per_s = 0, 0, 0.0
    for shard in shards:
        names = await client.execute_command("SMEMBERS", shard.types)
        for streams in _chunks([shard.stream(name.decode()) for name in names]):
            sizes = await _sizes(client, streams)
            count += sum(size.events for size in sizes)
            size_bytes += sum(size.taken_bytes for size in sizes)
            for sampled in _samples(sizes):
                rate_per_s += sum(rate(times_ms, now_ms) for times_ms in await _last_ms(client, sampled))
    event_bytes = size_bytes // count if count >= FEW and size_bytes else THIN_EVENT_BYTES
    return headroom(redis, event_bytes + DIGEST_BYTES, rate_per_s)


def rate(times_ms: Sequence[int], now_ms: int) -> float:
    """Events a second, from the arrival times of the last ones, newest first."""
    return len(times_ms) / max(1.0, (now_ms - times_ms[-1]) / 1000) if times_ms else 0.0


class _Size(msgspec.Struct, frozen=True):
    """The size of a stream; `taken_bytes` is 0 if Redis does not report it."""

    stream: str
    events: int
    taken_bytes: int

    @property
    def sample_bytes(self) -> int:
        """Approximate size of the last events."""
        return self.taken_bytes // self.events * min(SAMPLE, self.events) if self.taken_bytes else UNKNOWN_SAMPLE_BYTES


def _chunks(streams: Sequence[str]) -> Iterator[Sequence[str]]:
    return (streams[first : first + TYPES] for first in range(0, len(streams), TYPES))


async def _sizes(client: Redis, streams: Sequence[str]) -> list[_Size]:
    """Sizes of the streams that hold events. A key of another type, or one that the ACL forbids, counts as empty."""
    commands = [command for stream in streams for command in (("XLEN", stream), ("MEMORY", "USAGE", stream))]
    replies = await _replies(client, commands)
    sizes = zip(streams, replies[::2], replies[1::2], strict=True)
    return [_Size(stream, length, taken or 0) for stream, length, taken in sizes if length]


def _samples(sizes: Sequence[_Size]) -> Iterator[list[str]]:
    """Groups of streams, at least one each, whose last events fit into one reply together."""
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
    """Arrival times of each stream's last events, newest first; none if the user may not read them, as ingest's."""
    replies = await _replies(client, [("XREVRANGE", stream, "+", "-", "COUNT", SAMPLE) for stream in streams])
    return [[int(entry_id.partition(b"-")[0]) for entry_id, _ in last or ()] for last in replies]


async def _replies(client: Redis, commands: Sequence[Command]) -> list[Any]:
    """The replies, with None in place of each refusal. Raises RedisError, OSError."""
    replies = await execute_all(client, commands, raises=False)
    return [None if isinstance(reply, ResponseError) else reply for reply in replies]

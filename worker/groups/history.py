"""What a group was given of the events that are retained, looked at and walked through, oldest first.

A snapshot: each stream is walked up to the group's own position when it was looked at. What lies beyond has not been
given to the group yet and comes anyway, once, however long the walk takes. Whether a group handled what it was given
is not asked. Times are those at which Redis stored an event. An id of the future, given since Redis' clock was ahead
once, says nothing about that; there the time counts at which ingest received the event.
"""

import heapq
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ...shared.command import FailedError
from ...shared.connection import Redis
from ...shared.decoding import UNDECODABLE
from ...shared.entry import Entry, parse
from ...shared.keys import Keys, shard_of
from ...shared.times import LAST_MS
from ..inventory import registry
from ..inventory.registry import execute_all
from ..pipeline.routes import matches, patterns_of

BATCH_BYTES: Final = 8 * 1024 * 1024
"""Bodies in one batch; a larger one goes alone."""
AHEAD: Final = 500
"""Entries read ahead of all streams together: some megabytes, as events are thin."""
MIN_AHEAD: Final = 10
"""And of each at least, so that many streams do not cost a round trip each event."""

Id = tuple[int, int]
"""A stream id: Unix ms, and a number within that millisecond."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events: any of several values, all of several fields. `types` are patterns; times in Unix ms, included."""

    types: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    since_ms: int = 0
    until_ms: int = LAST_MS


class StreamRange(NamedTuple):
    """Part of the stream of a type; both ends included."""

    keys: Keys
    type: str
    first: Id
    last: Id


class StoredEvent(NamedTuple):
    """An event that the group was given, and when Redis stored it, Unix ms."""

    id: Id
    keys: Keys
    type: str
    entry: Entry
    stored_ms: int


@dataclass(slots=True)
class EventCount:
    """What a walk finds: events by type, and when the newest was stored. `unreadable` are not hookbus's own."""

    types: Counter[str] = field(default_factory=Counter)
    names: set[str] = field(default_factory=set)
    newest_ms: int = 0
    unreadable: int = 0


class History:
    """Some stretches of the past, as of a time (Unix ms). Reading fails as Redis does: RedisError, OSError."""

    def __init__(self, client: Redis, stream_ranges: Sequence[StreamRange], criteria: EventFilter, now_ms: int) -> None:
        self.stream_ranges = stream_ranges
        self.now_ms = now_ms
        self._client = client
        self._wanted = criteria
        self._names = frozenset(criteria.names)
        self._count = max(MIN_AHEAD, AHEAD // max(1, len(stream_ranges)))

    @property
    def has_future(self) -> bool:
        """Whether there are ids of the future: then a walk does not follow the times at which Redis stored events."""
        return any(stream_range.last[0] > self.now_ms for stream_range in self.stream_ranges)

    async def count(self) -> EventCount:
        """Walk once, and only count."""
        found = EventCount()
        async for past in self._walk(found):
            found.types[past.type] += 1
            if self._names:
                found.names.add(past.entry.webhook_id)
            found.newest_ms = max(found.newest_ms, past.stored_ms)
        return found

    async def batches(self, most: int) -> AsyncIterator[list[StoredEvent]]:
        """All of it, at most so many at once."""
        batch: list[StoredEvent] = []
        size = 0
        async for past in self._walk(EventCount()):
            if batch and (len(batch) == most or size + len(past.entry.body) > BATCH_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(past)
            size += len(past.entry.body)
        if batch:
            yield batch

    async def _walk(self, count: EventCount) -> AsyncIterator[StoredEvent]:
        """All streams merged by time."""
        walks = [self._read(stream_range, count) for stream_range in self.stream_ranges]
        heads = [(past.id, i, past) for i, walk in enumerate(walks) if (past := await anext(walk, None)) is not None]
        heapq.heapify(heads)
        while heads:
            _, i, past = heads[0]
            yield past
            following = await anext(walks[i], None)
            if following is None:
                heapq.heappop(heads)
            else:
                heapq.heapreplace(heads, (following.id, i, following))

    async def _read(self, stream_range: StreamRange, count: EventCount) -> AsyncIterator[StoredEvent]:
        first, last = _text(stream_range.first), _text(stream_range.last)
        while True:
            stream = stream_range.keys.stream(stream_range.type)
            entries = await self._client.execute_command("XRANGE", stream, first, last, "COUNT", self._count)
            for entry_id, fields in entries:
                try:
                    found = parse(fields)
                except (KeyError, *UNDECODABLE):
                    count.unreadable += 1
                    continue
                at = _id(entry_id)
                stored_ms = at[0] if at[0] <= self.now_ms else found.received_at_ms
                past = StoredEvent(at, stream_range.keys, stream_range.type, found, stored_ms)
                if self._is_wanted(past):
                    yield past
            if len(entries) < self._count:
                return
            first = f"({entries[-1][0].decode()}"

    def _is_wanted(self, past: StoredEvent) -> bool:
        is_named = not self._names or past.entry.webhook_id in self._names
        return is_named and self._wanted.since_ms <= past.stored_ms <= self._wanted.until_ms


async def fetch(client: Redis, shards: Sequence[Keys], group: str, criteria: EventFilter) -> History:
    """The snapshot of a group that exists. Raises FailedError for types that it does not subscribe to, RedisError,
    OSError."""
    replies = await execute_all(
        client,
        [
            command
            for keys in shards
            for command in (("SMEMBERS", keys.types), ("HGET", keys.patterns, group), ("HGET", keys.groups, group))
        ],
    )
    places = [(i, name.decode()) for i, types in enumerate(replies[::3]) for name in sorted(types)]
    streams = [("XINFO", "GROUPS", shards[i].stream(name)) for i, name in places]
    positions = [_position(told, group) for told in await execute_all(client, streams, raises=False)]
    now_ms = await registry.now_ms(client)  # later than all ids that this Redis gave, if its clock is right
    patterns = {pattern for told in replies[1::3] if told for pattern in told.decode().split()}
    if not patterns:  # its workers could not tell, or are of a release that did not
        patterns = {name for (_, name), position in zip(places, positions, strict=True) if position is not None}
    _require_subscribed(group, patterns, criteria.types)
    hit = {shard_of(name, len(shards)) for name in criteria.names} or set(range(len(shards)))
    stream_ranges = []
    for (i, name), position in zip(places, positions, strict=True):
        if i in hit and _is_chosen(name, patterns, criteria.types):
            # Where the group has no place yet, it will begin at its start.
            reached = position if position is not None else _id(replies[3 * i + 2] or b"0")
            is_ahead = reached[0] > now_ms
            first, last = (criteria.since_ms, 0), reached if is_ahead else min(reached, (criteria.until_ms, 2**64 - 1))
            if first <= last:
                stream_ranges.append(StreamRange(shards[i], name, first, last))
    return History(client, stream_ranges, criteria, now_ms)


def _position(told: object, group: str) -> Id | None:
    """Up to where the group was given a stream, None where it has no place on it."""
    if isinstance(told, list):  # else there is no such stream
        for flat in told:
            info = dict(zip(flat[::2], flat[1::2], strict=True))
            if info[b"name"].decode() == group:
                return _id(info[b"last-delivered-id"])
    return None


def _require_subscribed(group: str, patterns: set[str], asked: Sequence[str]) -> None:
    strange = [
        one
        for one in asked
        if patterns.isdisjoint(patterns_of(one)) and not any(matches(one, each) for each in patterns)
    ]
    if strange:
        known = ", ".join(sorted(patterns)) or "nothing yet"
        raise FailedError(f"group {group} does not subscribe to {', '.join(strange)}; it does to: {known}")


def _is_chosen(event_type: str, patterns: set[str], asked: Sequence[str]) -> bool:
    is_asked = not asked or any(matches(each, event_type) for each in asked)
    return is_asked and not patterns.isdisjoint(patterns_of(event_type))


def _id(text: bytes) -> Id:
    ms, _, number = text.partition(b"-")
    return int(ms), int(number or 0)


def _text(stream_id: Id) -> str:
    return f"{stream_id[0]}-{stream_id[1]}"

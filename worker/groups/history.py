"""Reads the retained events that were delivered to a group, oldest first.

It is a snapshot: each stream is read up to the group's position when the snapshot was taken. Events beyond it have not
been delivered to the group yet; they will be, once, however long the read takes. Whether the group handled an event
makes no difference. Times are those at which Redis stored an event. An id in the future (Redis' clock was ahead once)
does not contain that time; the time at which ingest received the event is used instead.
"""

import heapq
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple

import msgspec

from ...shared.command import FailedError
from ...shared.connection import Redis
from ...shared.entry import Entry, parse
from ...shared.keys import Keys, shard_of
from ...shared.nearest import did_you_mean
from ...shared.patterns import matches, patterns_of
from ...shared.pipelined import execute_all
from ...shared.times import LAST_MS
from ...shared.undecodable import UNDECODABLE
from ..inventory import registry
from ..inventory.lag import pairs

BATCH_BYTES: Final = 8 * 1024 * 1024
"""Total size of the bodies in one batch; a larger body is a batch of its own."""
AHEAD: Final = 500
"""Entries read ahead over all streams: some megabytes, as events are small."""
MIN_AHEAD: Final = 10
"""The least number per stream, so that many streams do not cost a round trip per event."""

Id = tuple[int, int]
"""A stream id: Unix ms, and a sequence number within that millisecond."""


class EventFilter(msgspec.Struct, frozen=True):
    """Selects events that match any value of every given field. `types` are patterns; times in Unix ms, inclusive."""

    types: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    since_ms: int = 0
    until_ms: int = LAST_MS


class StreamRange(NamedTuple):
    """A range of a type's stream; both ends inclusive."""

    keys: Keys
    type: str
    first: Id
    last: Id


class StoredEvent(NamedTuple):
    """An event that was delivered to the group. `stored_ms`: when Redis stored it, Unix ms."""

    id: Id
    keys: Keys
    type: str
    entry: Entry
    stored_ms: int


class EventCount(msgspec.Struct):
    """Events by type. `newest_ms`: when the newest was stored; `unreadable`: entries not written by hookbus."""

    types: Counter[str] = msgspec.field(default_factory=Counter)
    names: set[str] = msgspec.field(default_factory=set)
    newest_ms: int = 0
    unreadable: int = 0


class History:
    """Stream ranges as of `now_ms` (Unix ms). Every read raises RedisError, OSError."""

    def __init__(self, client: Redis, stream_ranges: Sequence[StreamRange], criteria: EventFilter, now_ms: int) -> None:
        self.stream_ranges = stream_ranges
        self.now_ms = now_ms
        self._client = client
        self._criteria = criteria
        self._names = frozenset(criteria.names)
        self._count = max(MIN_AHEAD, AHEAD // max(1, len(stream_ranges)))

    @property
    def has_future(self) -> bool:
        """Whether a range ends at an id in the future: then the order is not that in which Redis stored events."""
        return any(stream_range.last[0] > self.now_ms for stream_range in self.stream_ranges)

    async def count(self) -> EventCount:
        """Read everything once and count it."""
        count = EventCount()
        async for event in self._walk(count):
            count.types[event.type] += 1
            if self._names:
                count.names.add(event.entry.webhook_id)
            count.newest_ms = max(count.newest_ms, event.stored_ms)
        return count

    async def batches(self, max_events: int) -> AsyncIterator[list[StoredEvent]]:
        """Yield all events in batches of at most `max_events`, and of BATCH_BYTES."""
        batch: list[StoredEvent] = []
        size = 0
        async for event in self._walk(EventCount()):
            if batch and (len(batch) == max_events or size + len(event.entry.body) > BATCH_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(event)
            size += len(event.entry.body)
        if batch:
            yield batch

    async def _walk(self, count: EventCount) -> AsyncIterator[StoredEvent]:
        """Yield the events of all streams, merged by id."""
        walks = [self._read(stream_range, count) for stream_range in self.stream_ranges]
        heads = [(event.id, i, event) for i, walk in enumerate(walks) if (event := await anext(walk, None)) is not None]
        heapq.heapify(heads)
        while heads:
            _, i, event = heads[0]
            yield event
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
                    entry = parse(fields)
                except (KeyError, *UNDECODABLE):
                    count.unreadable += 1
                    continue
                stream_id = _id(entry_id)
                stored_ms = stream_id[0] if stream_id[0] <= self.now_ms else entry.received_at_ms
                event = StoredEvent(stream_id, stream_range.keys, stream_range.type, entry, stored_ms)
                if self._matches(event):
                    yield event
            if len(entries) < self._count:
                return
            first = f"({entries[-1][0].decode()}"

    def _matches(self, event: StoredEvent) -> bool:
        is_named = not self._names or event.entry.webhook_id in self._names
        return is_named and self._criteria.since_ms <= event.stored_ms <= self._criteria.until_ms


async def fetch(client: Redis, shards: Sequence[Keys], group: str, criteria: EventFilter) -> History:
    """Take the snapshot of an existing group.

    Raises FailedError for types that the group does not subscribe to, RedisError, OSError.
    """
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
    positions = [_position(groups, group) for groups in await execute_all(client, streams, raises=False)]
    now_ms = await registry.now_ms(client)  # later than all ids that this Redis assigned, if its clock is right
    patterns = {pattern for text in replies[1::3] if text for pattern in text.decode().split()}
    if not patterns:  # its workers could not publish any, or are of a release that does not
        patterns = {name for (_, name), position in zip(places, positions, strict=True) if position is not None}
    _require_subscribed(group, patterns, criteria.types)
    hit_shards = {shard_of(name, len(shards)) for name in criteria.names} or set(range(len(shards)))
    stream_ranges = []
    for (i, name), position in zip(places, positions, strict=True):
        if i in hit_shards and _is_chosen(name, patterns, criteria.types):
            # A group without a position on the stream begins at its start.
            delivered = position if position is not None else _id(replies[3 * i + 2] or b"0")
            is_ahead = delivered[0] > now_ms
            until = (criteria.until_ms, 2**64 - 1)
            first, last = (criteria.since_ms, 0), delivered if is_ahead else min(delivered, until)
            if first <= last:
                stream_ranges.append(StreamRange(shards[i], name, first, last))
    return History(client, stream_ranges, criteria, now_ms)


def _position(groups: object, group: str) -> Id | None:
    """The last id of a stream that was delivered to the group; None when the group is not on it."""
    if isinstance(groups, list):  # else there is no such stream
        for flat in groups:
            info = pairs(flat)
            if info["name"].decode() == group:
                return _id(info["last-delivered-id"])
    return None


def _require_subscribed(group: str, patterns: set[str], types: Sequence[str]) -> None:
    unsubscribed = [
        event_type
        for event_type in types
        if patterns.isdisjoint(patterns_of(event_type)) and not any(matches(event_type, each) for each in patterns)
    ]
    if unsubscribed:
        subscribed = ", ".join(sorted(patterns)) or "nothing yet"
        meant = did_you_mean(unsubscribed[0], patterns) if len(unsubscribed) == 1 else ""
        raise FailedError(
            f"group {group} does not subscribe to {', '.join(unsubscribed)}; it subscribes to: {subscribed}{meant}"
        )


def _is_chosen(event_type: str, patterns: set[str], types: Sequence[str]) -> bool:
    is_selected = not types or any(matches(pattern, event_type) for pattern in types)
    return is_selected and not patterns.isdisjoint(patterns_of(event_type))


def _id(text: bytes) -> Id:
    ms, _, number = text.partition(b"-")
    return int(ms), int(number or 0)


def _text(stream_id: Id) -> str:
    return f"{stream_id[0]}-{stream_id[1]}"

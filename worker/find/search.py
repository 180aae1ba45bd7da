"""Finds events by an id, and what every group has to do with each.

By webhook-id: the day sets of the dedupe window tell whether it was stored, and on which day, and that day is read.
By any other id, such as `evt_…` or `resp_…`, which only bodies hold: dead letters, retries and redeliveries are looked
through first, then the event streams, newest first, up to a bound. An id that tells when it was made is looked for
there first. There is no index: more in Redis for each event is a high price for a question this rare, and to read a day
of a million small events takes 0.5 s of Redis' time and 1.3 s of this process (measured), on average half of it.

Redis serves others between two steps, of half a millisecond with small events. Nothing is written.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from ...shared.connection import Redis
from ...shared.dedupe import DAY_MS
from ...shared.entry import Entry
from ...shared.keys import Keys, shard_of
from ...shared.pipelined import execute_all
from ...shared.times import LAST_MS
from ..inventory import registry
from . import bus, id_time, lives, scan, shelves, stored_days
from .bus import Bus
from .life import SLACK_MS, Life, Place, Subject
from .scan import Bounds, Match
from .shelves import Held, Sought

RECENT_MS: Final = 4 * 3_600_000
"""How far back event streams are read unless asked on: people ask about what happened just now (a guess)."""
MOST: Final = 200_000
"""How many events are read unless asked on, and how many records of each kind in a group: a third of a second."""
BEFORE_MS: Final = 60_000
AFTER_MS: Final = 600_000
"""Around the time in an id: clocks differ, and an event is created before it is delivered (guesses)."""
MOST_EVENTS: Final = 20
"""Events shown of one id: a session may have had many."""
AT_ONCE: Final = 20
"""Parts of dead letters, retries and redeliveries read in one round trip."""
ALL: Final = 2**63 - 1


class Limits(NamedTuple):
    """How far a search goes: back to `since_ms`, Unix ms, None for RECENT_MS; through `most` entries, and records of
    each kind in a group."""

    since_ms: int | None = None
    most: int = MOST


EVERYTHING: Final = Limits(0, ALL)


class Found(msgspec.Struct):
    """The result. `entries` were read of the event streams, back to `reached_ms` (Unix ms); `records` of the dead
    letters, retries and redeliveries, but for `left_out`. `may_have_older`: it ended with the newest events that hold
    the id. `until_ms`: the last read began at this time, Unix ms, None for the present; `is_partial`: it ended before
    it came to every stream. `sources`: those that the dedupe window was asked for. `unusable`: key that Redis refused
    → why."""

    lives: list[Life] = msgspec.field(default_factory=list)
    entries: int = 0
    reached_ms: int | None = None
    until_ms: int | None = None
    is_partial: bool = False
    sources: frozenset[str] = frozenset()
    records: int = 0
    left_out: int = 0
    is_stopped: bool = False
    may_have_older: bool = False
    unusable: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether all that Redis holds was searched."""
        return not (self.reached_ms or self.left_out or self.is_stopped or self.unusable)


Progress = Callable[[Found], None]
"""Called with the result so far."""


async def find(
    client: Redis,
    configured_shards: int,
    name: str,
    limits: Limits = Limits(),  # noqa: B008 - immutable
    *,
    progress: Progress = lambda _found: None,
    stopping: asyncio.Event | None = None,
) -> Found:
    """Find the events of an id. Raises ConfigError, RedisError, OSError."""
    name = name.encode(errors="replace").decode()  # from a command line or a URL: no id has what UTF-8 lacks
    shards = await registry.shards(client, configured_shards)
    everything = await bus.fetch(client, shards)
    now_ms = await registry.now_ms(client)
    search = _Search(client, everything, name, limits, now_ms, progress, stopping or asyncio.Event())
    subjects = await search.subjects() if shards and name else []
    found = search.found
    found.unusable |= everything.unusable
    for subject in subjects[:MOST_EVENTS]:
        found.lives.append(await lives.fetch(client, everything, subject, limits.most))
    found.is_stopped = search.is_stopped
    return found


class _Search:
    def __init__(
        self,
        client: Redis,
        everything: Bus,
        name: str,
        limits: Limits,
        now_ms: int,
        progress: Progress,
        stopping: asyncio.Event,
    ) -> None:
        self._client = client
        self._bus = everything
        self._name = name
        self._limits = limits
        self._now_ms = now_ms
        self._progress = progress
        self._stopping = stopping
        self.found = Found()

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped."""
        return self._stopping.is_set()

    async def subjects(self) -> list[Subject]:
        """The events, by the first way that finds any."""
        own = list(self._bus.shards)[shard_of(self._name, len(self._bus.shards))]
        stored = await self._stored(own)
        if stored:
            return stored
        held = await self._held(Sought(self._name), [own])
        held = held or await self._held(Sought(self._name, by_name=False), list(self._bus.shards))
        if held:
            return [await self._subject(each) for each in held]
        return await self._recent()

    async def _stored(self, keys: Keys) -> list[Subject]:
        """The events of this webhook-id that the dedupe window knows, one for each source."""
        streams = [(keys, name) for name in self._bus.shards[keys].types]
        unusable = self.found.unusable
        sources = await stored_days.sources(self._client, streams, unusable) | self._bus.sources
        self.found.sources = frozenset(sources)
        days = await stored_days.fetch(self._client, keys, self._name, sources, self._now_ms, unusable)
        found = [await self._of_day(keys, streams, source, day) for source, day in days]
        return [subject for subject in found if subject]

    async def _of_day(self, keys: Keys, streams: Sequence[tuple[Keys, str]], source: str, day: int) -> Subject | None:
        """None if a stop, or a stream that Redis refuses, leaves open whether it is stored."""
        first_ms, last_ms = day * DAY_MS - SLACK_MS, (day + 1) * DAY_MS + SLACK_MS

        def is_it(entry: Entry) -> bool:
            return entry.webhook_id == self._name and entry.source == source

        for bounds in self._windows(first_ms, last_ms, ALL):
            if matches := await self._scan(streams, bounds, self._name, is_it):
                return _of_match(matches[0])
        if self.is_stopped or any(each.stream(name) in self.found.unusable for each, name in streams):
            return None
        day_text = stored_days.text_of(day)
        for copy in await self._held(Sought(self._name), [keys]):
            if copy.entry.source == source:
                return Subject(keys, self._name, source, copy.type, copy.entry, day=day_text)
        return Subject(keys, self._name, source, day=day_text)

    async def _subject(self, held: Held) -> Subject:
        """The event of a delivery: its entry in the event stream was stored when it was received."""
        entry = held.entry

        def is_it(stored: Entry) -> bool:
            return stored.webhook_id == entry.webhook_id and stored.source == entry.source

        around = Bounds(max(0, entry.received_at_ms - SLACK_MS), entry.received_at_ms + SLACK_MS)
        if matches := await self._scan([(held.keys, held.type)], around, entry.webhook_id, is_it):
            return _of_match(matches[0])
        return Subject(held.keys, entry.webhook_id, entry.source, held.type, entry)

    async def _recent(self) -> list[Subject]:
        """The newest events that hold the id, or with EVERYTHING all of them."""
        since_ms = self._limits.since_ms
        since_ms = self._now_ms - RECENT_MS if since_ms is None else since_ms
        sought = Sought(self._name, by_name=False)
        if self._limits == EVERYTHING:
            matches = await self._scan(self._bus.streams, Bounds(), self._name, sought.is_in, MOST_EVENTS)
            return [_of_match(match) for match in matches]
        for bounds in self._windows(since_ms, LAST_MS, self._limits.most):
            if matches := await self._scan(self._bus.streams, bounds, self._name, sought.is_in):
                self.found.may_have_older = True
                return [_of_match(match) for match in matches]
        return []

    def _windows(self, since_ms: int, until_ms: int, most: int) -> Iterable[Bounds]:
        """The time in the id first, then all of the range, newest first."""
        made_ms = id_time.made_ms(self._name, self._now_ms)
        if made_ms is not None:
            yield Bounds(made_ms - BEFORE_MS, made_ms + AFTER_MS, most)
        yield Bounds(since_ms, until_ms, most)

    async def _scan(
        self,
        streams: Sequence[tuple[Keys, str]],
        bounds: Bounds,
        text: str,
        wanted: Callable[[Entry], bool],
        enough: int = 1,
    ) -> list[Match]:
        before = self.found.entries
        self.found.until_ms = bounds.until_ms if bounds.until_ms < self._now_ms else None

        def progressed(entries: int, reached_ms: int) -> None:
            self.found.entries = before + entries
            self.found.reached_ms = min(reached_ms, self._now_ms)
            self.found.is_partial = reached_ms == LAST_MS
            self._progress(self.found)

        scanned = await scan.scan(
            self._client,
            streams,
            bounds,
            text.encode(),
            wanted,
            enough=enough,
            progress=progressed,
            stopping=self._stopping,
        )
        self.found.unusable |= scanned.unusable
        return scanned.matches

    async def _held(self, sought: Sought, shards: Sequence[Keys]) -> list[Held]:
        """One delivery of each event that groups hold beside the event streams."""
        every = [
            shelf
            for keys in shards
            for group in self._bus.shards[keys].starts
            for shelf in shelves.of_group(keys, group, self._bus.redeliveries(keys, group), sought)
        ]
        unread = every
        held: dict[tuple[str, str], Held] = {}
        errors: dict[str, str] = {}
        while unread and not self.is_stopped:
            commands = [shelf.command() for shelf in unread]
            replies = await execute_all(self._client, commands, raises=False, at_once=AT_ONCE)
            for each in shelves.take(unread, replies, errors):
                held.setdefault((each.entry.webhook_id, each.entry.source), each)
            if not sought.by_name:  # of those Redis returns only what matches
                self.found.records = sum(shelf.seen for shelf in every)
            self._progress(self.found)
            unread = [shelf for shelf in unread if not shelf.is_done and shelf.seen < self._limits.most]
        self.found.left_out = await shelves.left_out(self._client, [shelf for shelf in every if not shelf.is_done])
        self.found.unusable |= errors
        return list(held.values())


def _of_match(match: Match) -> Subject:
    entry = match.entry
    place = Place(match.keys.stream(match.type), match.entry_id)
    return Subject(match.keys, entry.webhook_id, entry.source, match.type, entry, place)

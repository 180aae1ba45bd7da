"""The dead letters of one Redis, looked at; what moves them is in `moves`.

Looking costs what is shown, however many lie there: ranges with a limit, and records of that page only. A fingerprint
tells type and reason, so filters choose fingerprints, whose sorted sets are merged.
"""

import heapq
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec
from redis.asyncio import Redis

from ...shared.command import FailedError
from ...shared.keys import Keys
from ...shared.times import LAST_MS
from ..inventory import layout
from ..inventory.layout import ask_all
from ..pipeline import dead_letter
from ..pipeline.dead_letter import Kind, Letter
from ..pipeline.routes import matches
from .cursor import Mark, Source, Walk, marks


@dataclass(frozen=True, slots=True)
class Filter:
    """Which letters: any of several values, all of several fields. `types` are patterns; times in Unix ms, included."""

    groups: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    since_ms: int = 0
    until_ms: int = LAST_MS

    @property
    def is_by_kind(self) -> bool:
        """Whether only some fingerprints can match."""
        return bool(self.types or self.reasons or self.fingerprints)

    def covers_kind(self, fingerprint: str, kind: Kind | Letter) -> bool:
        """Whether letters of that fingerprint match."""
        return (
            (not self.types or any(matches(pattern, kind.type) for pattern in self.types))
            and (not self.reasons or kind.reason in self.reasons)
            and (not self.fingerprints or fingerprint in self.fingerprints)
        )


class Dead(NamedTuple):
    """A letter and where it lies. `died_ms` is its place in the index, which tells it from a later one of its name."""

    keys: Keys
    group: str
    name: str
    died_ms: int
    letter: Letter


class Page(NamedTuple):
    """The newest letters that match; `total` is how many there are in all."""

    letters: list[Dead]
    total: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The letters of one fingerprint in one group. Times Unix ms."""

    group: str
    fingerprint: str
    kind: Kind
    count: int
    first_ms: int
    last_ms: int


class DeadLetters:
    """`unreadable` collects the names of records that this release can't read; they are left alone."""

    def __init__(self, client: Redis, shards: Sequence[Keys], groups: Sequence[str]) -> None:
        self._client = client
        self.shards = shards
        self.groups = groups
        self.unreadable: list[str] = []

    @classmethod
    async def open(cls, client: Redis, configured_shards: int) -> "DeadLetters":
        """Look which shards and groups there are. Raises ConfigError, RedisError, OSError, as all methods may."""
        shards = await layout.shards(client, configured_shards)
        return cls(client, shards, await layout.groups(client, shards))

    async def page(self, wanted: Filter, limit: int) -> Page:
        """The newest `limit` letters. Raises FailedError for a group or a name that is not there."""
        if wanted.names:
            found = sorted(await self.find(wanted), key=lambda dead: dead.died_ms, reverse=True)
            return Page(found[:limit], len(found))
        sources = await self._sources(wanted)
        since, until = wanted.since_ms, wanted.until_ms
        tops = [("ZREVRANGEBYSCORE", s.key, until, since, "WITHSCORES", "LIMIT", 0, limit) for s in sources]
        found_marks: list[Mark] = []
        for source, flat in zip(sources, await ask_all(self._client, tops), strict=True):
            found_marks = heapq.nlargest(limit, (*found_marks, *marks(source, flat)), key=lambda mark: mark[:2])
        total = await self._count(sources, wanted)
        return Page(await self._letters(found_marks), total)

    async def count(self, wanted: Filter) -> int:
        """How many letters match. Raises as `page` does."""
        if wanted.names:
            return len(await self.find(wanted))
        return await self._count(await self._sources(wanted), wanted)

    async def find(self, wanted: Filter) -> list[Dead]:
        """The letters that are named and match otherwise too. Raises FailedError when a name is nowhere."""
        places = [
            (name, Source(shard, group, shard.dead(group)))
            for name in dict.fromkeys(wanted.names)
            for group in self._chosen(wanted)
            for shard in self.shards
        ]
        scores = await ask_all(self._client, [("ZSCORE", source.key, name) for name, source in places])
        there = [
            Mark(int(float(score)), name, source)
            for (name, source), score in zip(places, scores, strict=True)
            if score is not None
        ]
        missing = set(wanted.names) - {mark.name for mark in there}
        if missing:
            where = f" in group {', '.join(wanted.groups)}" if wanted.groups else ""
            raise FailedError(f"no dead letter {', '.join(sorted(missing))}{where}")
        there = [mark for mark in there if wanted.since_ms <= mark.died_ms <= wanted.until_ms]
        found = await self._letters(there)
        return [dead for dead in found if wanted.covers_kind(dead.letter.fingerprint, dead.letter)]

    async def walk(self, wanted: Filter, batch: int) -> AsyncIterator[list[Dead]]:
        """All letters that match, oldest first, in batches. Raises as `page` does.

        A snapshot: without names, only those that were dead when it began, by Redis' clock.
        """
        if wanted.names:
            found = sorted(await self.find(wanted), key=lambda dead: dead.died_ms)
            for i in range(0, len(found), batch):
                yield found[i : i + batch]
            return
        wanted = await self.snapshot(wanted)
        walk = Walk(self._client, await self._sources(wanted), wanted.since_ms, wanted.until_ms, batch)
        while taken := await walk.next():
            yield await self._letters(taken)

    async def oldest(self, keys: Keys, group: str, past: int, count: int) -> tuple[list[Dead], int]:
        """The letters of a group and shard that died first but for `past` others, without those that can't be read; and
        how many there are with those."""
        source = Source(keys, group, keys.dead(group))
        flat = await self._client.execute_command("ZRANGE", source.key, past, past + count - 1, "WITHSCORES")
        found = marks(source, flat)
        return await self._letters(found), len(found)

    async def snapshot(self, wanted: Filter) -> Filter:
        """The same filter, for what is dead by now."""
        return replace(wanted, until_ms=min(wanted.until_ms, await layout.now_ms(self._client)))

    async def summaries(self, wanted: Filter) -> list[Summary]:
        """The fingerprints that match, most letters first. Names in the filter are not looked at."""
        kinds = await self._kinds(wanted)
        since, until = wanted.since_ms, wanted.until_ms
        commands: list[layout.Command] = []
        for source, _, _ in kinds:
            commands += (
                ("ZCOUNT", source.key, since, until),
                ("ZRANGEBYSCORE", source.key, since, until, "WITHSCORES", "LIMIT", 0, 1),
                ("ZREVRANGEBYSCORE", source.key, until, since, "WITHSCORES", "LIMIT", 0, 1),
            )
        replies = await ask_all(self._client, commands)
        merged: dict[tuple[str, str], Summary] = {}
        for i, (source, fingerprint, kind) in enumerate(kinds):
            count, first, last = replies[3 * i : 3 * i + 3]
            if first and last:
                found = Summary(source.group, fingerprint, kind, count, int(float(first[1])), int(float(last[1])))
                before = merged.get((source.group, fingerprint))
                merged[source.group, fingerprint] = _joined(before, found) if before else found
        return sorted(merged.values(), key=lambda summary: (-summary.count, summary.group, summary.fingerprint))

    def _chosen(self, wanted: Filter) -> Sequence[str]:
        for group in wanted.groups:
            self.require(group)
        return tuple(dict.fromkeys(wanted.groups)) or self.groups

    def require(self, group: str) -> None:
        """Raises FailedError when there is no such group."""
        if group not in self.groups:
            raise FailedError(f"no group {group}; there are: {', '.join(self.groups) or 'none yet'}")

    async def _sources(self, wanted: Filter) -> list[Source]:
        if wanted.is_by_kind:
            return [source for source, _, _ in await self._kinds(wanted)]
        groups = self._chosen(wanted)
        return [Source(shard, group, shard.dead(group)) for group in groups for shard in self.shards]

    async def _kinds(self, wanted: Filter) -> list[tuple[Source, str, Kind]]:
        places = [(shard, group) for group in self._chosen(wanted) for shard in self.shards]
        replies = await ask_all(self._client, [("HGETALL", shard.dead_fingerprints(group)) for shard, group in places])
        found = []
        for (shard, group), flat in zip(places, replies, strict=True):
            for name, raw in zip(flat[::2], flat[1::2], strict=True):
                fingerprint = name.decode()
                try:
                    kind = dead_letter.decode_kind(raw)
                except msgspec.MsgspecError:
                    self.unreadable.append(f"fingerprint {fingerprint}")
                    continue
                if wanted.covers_kind(fingerprint, kind):
                    source = Source(shard, group, shard.dead_fingerprint(group, fingerprint))
                    found.append((source, fingerprint, kind))
        return found

    async def _count(self, sources: Sequence[Source], wanted: Filter) -> int:
        commands = [("ZCOUNT", source.key, wanted.since_ms, wanted.until_ms) for source in sources]
        return sum(await ask_all(self._client, commands))

    async def _letters(self, found: Sequence[Mark]) -> list[Dead]:
        """The records, in order, without those that went meanwhile."""
        commands = [("HGET", mark.source.keys.dead_data(mark.source.group), mark.name) for mark in found]
        letters = []
        for (died_ms, name, source), raw in zip(found, await ask_all(self._client, commands), strict=True):
            if raw is None:
                continue
            try:
                letters.append(Dead(source.keys, source.group, name, died_ms, dead_letter.decode(raw)))
            except msgspec.MsgspecError:
                self.unreadable.append(name)
        return letters


def _joined(one: Summary, other: Summary) -> Summary:
    """The same fingerprint in two shards; the sample is the newer one."""
    newer = max(one, other, key=lambda summary: summary.last_ms)
    first_ms = min(one.first_ms, other.first_ms)
    return replace(newer, count=one.count + other.count, first_ms=first_ms)

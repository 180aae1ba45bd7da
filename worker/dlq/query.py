"""The dead letters of one Redis, looked at; what moves them is in `moves`.

Looking costs what is shown, however many lie there: ranges with a limit, and records of that page only. A fingerprint
tells type and reason, so filters choose fingerprints, whose sorted sets are merged.
"""

import heapq
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec

from ...shared.command import FailedError
from ...shared.connection import Redis
from ...shared.keys import Keys
from ...shared.times import LAST_MS
from ..inventory import registry
from ..inventory.registry import execute_all
from ..pipeline import dead_letter
from ..pipeline.dead_letter import DeadLetterRecord, Kind
from ..pipeline.routes import matches
from .cursor import Index, MergedScan, Position, positions


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

    def covers_kind(self, fingerprint: str, kind: Kind | DeadLetterRecord) -> bool:
        """Whether letters of that fingerprint match."""
        return (
            (not self.types or any(matches(pattern, kind.type) for pattern in self.types))
            and (not self.reasons or kind.reason in self.reasons)
            and (not self.fingerprints or fingerprint in self.fingerprints)
        )


class StoredLetter(NamedTuple):
    """A dead letter and its key. `dead_lettered_ms`, its score in the index, tells it from a later one of its name."""

    keys: Keys
    group: str
    name: str
    dead_lettered_ms: int
    letter: DeadLetterRecord


class Page(NamedTuple):
    """The newest letters that match; `total` is how many there are in all."""

    letters: list[StoredLetter]
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
        shards = await registry.shards(client, configured_shards)
        return cls(client, shards, await registry.groups(client, shards))

    async def page(self, criteria: Filter, limit: int) -> Page:
        """The newest `limit` letters. Raises FailedError for a group or a name that is not there."""
        if criteria.names:
            found = sorted(await self.find(criteria), key=lambda dead: dead.dead_lettered_ms, reverse=True)
            return Page(found[:limit], len(found))
        indexes = await self._indexes(criteria)
        since, until = criteria.since_ms, criteria.until_ms
        tops = [("ZREVRANGEBYSCORE", s.key, until, since, "WITHSCORES", "LIMIT", 0, limit) for s in indexes]
        found_positions: list[Position] = []
        for index, flat in zip(indexes, await execute_all(self._client, tops), strict=True):
            found_positions = heapq.nlargest(
                limit, (*found_positions, *positions(index, flat)), key=lambda position: position[:2]
            )
        total = await self._count(indexes, criteria)
        return Page(await self._letters(found_positions), total)

    async def count(self, criteria: Filter) -> int:
        """How many letters match. Raises as `page` does."""
        if criteria.names:
            return len(await self.find(criteria))
        return await self._count(await self._indexes(criteria), criteria)

    async def find(self, criteria: Filter) -> list[StoredLetter]:
        """The letters that are named and match otherwise too. Raises FailedError when a name is nowhere."""
        places = [
            (name, Index(shard, group, shard.dead(group)))
            for name in dict.fromkeys(criteria.names)
            for group in self._chosen(criteria)
            for shard in self.shards
        ]
        scores = await execute_all(self._client, [("ZSCORE", index.key, name) for name, index in places])
        there = [
            Position(int(float(score)), name, index)
            for (name, index), score in zip(places, scores, strict=True)
            if score is not None
        ]
        missing = set(criteria.names) - {position.name for position in there}
        if missing:
            where = f" in group {', '.join(criteria.groups)}" if criteria.groups else ""
            raise FailedError(f"no dead letter {', '.join(sorted(missing))}{where}")
        there = [position for position in there if criteria.since_ms <= position.dead_lettered_ms <= criteria.until_ms]
        found = await self._letters(there)
        return [dead for dead in found if criteria.covers_kind(dead.letter.fingerprint, dead.letter)]

    async def walk(self, criteria: Filter, batch: int) -> AsyncIterator[list[StoredLetter]]:
        """All letters that match, oldest first, in batches. Raises as `page` does.

        A snapshot: without names, only those that were dead when it began, by Redis' clock.
        """
        if criteria.names:
            found = sorted(await self.find(criteria), key=lambda dead: dead.dead_lettered_ms)
            for i in range(0, len(found), batch):
                yield found[i : i + batch]
            return
        criteria = await self.snapshot(criteria)
        walk = MergedScan(self._client, await self._indexes(criteria), criteria.since_ms, criteria.until_ms, batch)
        while taken := await walk.next():
            yield await self._letters(taken)

    async def oldest(self, keys: Keys, group: str, past: int, count: int) -> tuple[list[StoredLetter], int]:
        """The letters of a group and shard that died first but for `past` others, without those that can't be read; and
        how many there are with those."""
        index = Index(keys, group, keys.dead(group))
        flat = await self._client.execute_command("ZRANGE", index.key, past, past + count - 1, "WITHSCORES")
        found = positions(index, flat)
        return await self._letters(found), len(found)

    async def snapshot(self, criteria: Filter) -> Filter:
        """The same filter, for what is dead by now."""
        return replace(criteria, until_ms=min(criteria.until_ms, await registry.now_ms(self._client)))

    async def summaries(self, criteria: Filter) -> list[Summary]:
        """The fingerprints that match, most letters first. Names in the filter are not looked at."""
        kinds = await self._kinds(criteria)
        since, until = criteria.since_ms, criteria.until_ms
        commands: list[registry.Command] = []
        for index, _, _ in kinds:
            commands += (
                ("ZCOUNT", index.key, since, until),
                ("ZRANGEBYSCORE", index.key, since, until, "WITHSCORES", "LIMIT", 0, 1),
                ("ZREVRANGEBYSCORE", index.key, until, since, "WITHSCORES", "LIMIT", 0, 1),
            )
        replies = await execute_all(self._client, commands)
        merged: dict[tuple[str, str], Summary] = {}
        for i, (index, fingerprint, kind) in enumerate(kinds):
            count, first, last = replies[3 * i : 3 * i + 3]
            if first and last:
                found = Summary(index.group, fingerprint, kind, count, int(float(first[1])), int(float(last[1])))
                before = merged.get((index.group, fingerprint))
                merged[index.group, fingerprint] = _joined(before, found) if before else found
        return sorted(merged.values(), key=lambda summary: (-summary.count, summary.group, summary.fingerprint))

    def _chosen(self, criteria: Filter) -> Sequence[str]:
        for group in criteria.groups:
            self.require(group)
        return tuple(dict.fromkeys(criteria.groups)) or self.groups

    def require(self, group: str) -> None:
        """Raises FailedError when there is no such group."""
        if group not in self.groups:
            raise FailedError(f"no group {group}; there are: {', '.join(self.groups) or 'none yet'}")

    async def _indexes(self, criteria: Filter) -> list[Index]:
        if criteria.is_by_kind:
            return [index for index, _, _ in await self._kinds(criteria)]
        groups = self._chosen(criteria)
        return [Index(shard, group, shard.dead(group)) for group in groups for shard in self.shards]

    async def _kinds(self, criteria: Filter) -> list[tuple[Index, str, Kind]]:
        places = [(shard, group) for group in self._chosen(criteria) for shard in self.shards]
        replies = await execute_all(
            self._client, [("HGETALL", shard.dead_fingerprints(group)) for shard, group in places]
        )
        found = []
        for (shard, group), flat in zip(places, replies, strict=True):
            for name, raw in zip(flat[::2], flat[1::2], strict=True):
                fingerprint = name.decode()
                try:
                    kind = dead_letter.decode_kind(raw)
                except msgspec.MsgspecError:
                    self.unreadable.append(f"fingerprint {fingerprint}")
                    continue
                if criteria.covers_kind(fingerprint, kind):
                    index = Index(shard, group, shard.dead_fingerprint(group, fingerprint))
                    found.append((index, fingerprint, kind))
        return found

    async def _count(self, indexes: Sequence[Index], criteria: Filter) -> int:
        commands = [("ZCOUNT", index.key, criteria.since_ms, criteria.until_ms) for index in indexes]
        return sum(await execute_all(self._client, commands))

    async def _letters(self, found: Sequence[Position]) -> list[StoredLetter]:
        """The records, in order, without those that went meanwhile."""
        commands = [
            ("HGET", position.in_index.keys.dead_data(position.in_index.group), position.name) for position in found
        ]
        letters = []
        for (dead_lettered_ms, name, index), raw in zip(found, await execute_all(self._client, commands), strict=True):
            if raw is None:
                continue
            try:
                letters.append(StoredLetter(index.keys, index.group, name, dead_lettered_ms, dead_letter.decode(raw)))
            except msgspec.MsgspecError:
                self.unreadable.append(name)
        return letters


def _joined(one: Summary, other: Summary) -> Summary:
    """The same fingerprint in two shards; the sample is the newer one."""
    newer = max(one, other, key=lambda summary: summary.last_ms)
    first_ms = min(one.first_ms, other.first_ms)
    return replace(newer, count=one.count + other.count, first_ms=first_ms)

"""Queries of the dead letters in one Redis; `moves` changes them.

A query costs as much as it returns, however many letters exist: it reads limited ranges, and the records of one page
only. A fingerprint determines type and reason, so filters select fingerprints, whose sorted sets are merged.
"""

import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from ...shared.command import FailedError
from ...shared.connection import Redis
from ...shared.keys import Keys
from ...shared.nearest import did_you_mean
from ...shared.pipelined import execute_all
from ..inventory import registry
from ..pipeline import dead_letter
from ..pipeline.dead_letter import DeadLetterRecord
from . import causes
from .causes import IndexOfKind, Summary
from .cursor import MIN_AHEAD, Index, MergedScan, Position, count_newer, newest_before, positions
from .filter import Filter

NAMES: Final = 5_000
"""Names read at once where no record is: some 200 KB."""
MAX_COUNTS: Final = 2_000
"""Counts of one question: 20 ms of this process (measured)."""


class StoredLetter(NamedTuple):
    """A dead letter and its key. Its score in the index, `dead_lettered_ms`, differs from that of a later namesake."""

    keys: Keys
    group: str
    name: str
    dead_lettered_ms: int
    letter: DeadLetterRecord


class Page(NamedTuple):
    """The newest letters that match; `total` counts all that match. `last`: the place of the last one, by which the
    next page is asked for; None when there is none."""

    letters: list[StoredLetter]
    total: int
    last: tuple[int, str] | None = None


class DeadLetters:
    """`unreadable` collects the names of records that this release cannot read; they are skipped and never changed."""

    def __init__(self, client: Redis, shards: Sequence[Keys], groups: Sequence[str]) -> None:
        self._client = client
        self.shards = shards
        self.groups = groups
        self.unreadable: list[str] = []

    @classmethod
    async def open(cls, client: Redis, configured_shards: int) -> "DeadLetters":
        """Read shards and groups from Redis. Raises ConfigError, RedisError, OSError, as all methods may."""
        shards = await registry.shards(client, configured_shards)
        return cls(client, shards, await registry.groups(client, shards))

    async def page(self, criteria: Filter, limit: int, before: tuple[int, str] | None = None) -> Page:
        """Return the newest `limit` letters that match, or those before a place, the time and name of a letter.

        Raises FailedError for an unknown group or name.
        """
        if criteria.names:
            found = sorted(await self.find(criteria), key=lambda dead: dead.dead_lettered_ms, reverse=True)
            return Page(found[:limit], len(found))
        indexes = await self._indexes(criteria)
        newest = await newest_before(self._client, indexes, criteria.since_ms, criteria.until_ms, before, limit + 1)
        last = newest[limit - 1][:2] if len(newest) > limit else None
        return Page(await self._letters(newest[:limit]), await self._count(indexes, criteria), last)

    async def newer(self, criteria: Filter, after: tuple[int, str]) -> tuple[Position | None, int | None]:
        """Return the place of the next newer letter that matches, after a place: the time and name of a letter; and
        how many are newer, None where too many share its millisecond."""
        indexes = await self._indexes(criteria)
        count = await count_newer(self._client, indexes, after)
        scan = MergedScan(self._client, indexes, after[0], criteria.until_ms, MIN_AHEAD)
        while batch := await scan.next():
            if later := [each for each in batch if each[:2] > after]:
                return min(later, key=lambda each: each[:2]), count
        return None, count

    async def deaths(self, criteria: Filter, edges: Sequence[int]) -> list[int] | None:
        """Count the letters that match from each of some times, Unix ms, to the next; None where that would ask Redis
        for more than `MAX_COUNTS`."""
        keys = [index.key for index in await self._indexes(criteria)]
        if len(keys) * (len(edges) - 1) > MAX_COUNTS:
            return None
        [counts] = await self._deaths([keys], edges)
        return counts if keys else []

    async def deaths_of(self, summaries: Sequence[Summary], edges: Sequence[int]) -> list[list[int]]:
        """Count the letters of each summary's fingerprint and group, as `deaths` does: one count per span and shard."""
        keys = [[shard.dead_fingerprint(each.group, each.fingerprint) for shard in self.shards] for each in summaries]
        return await self._deaths(keys, edges)

    async def _deaths(self, keys: Sequence[Sequence[str]], edges: Sequence[int]) -> list[list[int]]:
        """Count the members of some sorted sets together, of each list of them, from each time to the next."""
        spans = [(since, f"({until}") for since, until in itertools.pairwise(edges)]
        commands = [("ZCOUNT", key, *span) for of_one in keys for span in spans for key in of_one]
        counts = iter(await execute_all(self._client, commands))
        return [[sum(itertools.islice(counts, len(of_one))) for _ in spans] for of_one in keys]

    async def named(self, beginning: str, criteria: Filter, most: int) -> list[str]:
        """Return at most `most` names of letters that begin so. Reads all names of the groups, but no record."""
        scan = MergedScan(self._client, await self._indexes(criteria), criteria.since_ms, criteria.until_ms, NAMES)
        found: dict[str, None] = {}
        while len(found) < most and (batch := await scan.next()):
            found.update(dict.fromkeys(each.name for each in batch if each.name.startswith(beginning)))
        return list(found)[:most]

    async def dead_types(self) -> set[str]:
        """Return the types of all dead letters."""
        return {each.kind.type for each in await self._kinds(Filter())}

    async def count(self, criteria: Filter) -> int:
        """Count the letters that match. Raises as `page` does."""
        if criteria.names:
            return len(await self.remaining(criteria))
        return await self._count(await self._indexes(criteria), criteria)

    async def find(self, criteria: Filter) -> list[StoredLetter]:
        """Return the named letters that match. Raises FailedError when a name does not exist."""
        existing = await self._named(criteria)
        missing = set(criteria.names) - {position.name for position in existing}
        if missing:
            where = f" in group {', '.join(criteria.groups)}" if criteria.groups else ""
            raise FailedError(f"no dead letter {', '.join(sorted(missing))}{where}")
        return await self._matching(existing, criteria)

    async def remaining(self, criteria: Filter) -> list[StoredLetter]:
        """Return those of the named letters that match and are still there, oldest first."""
        found = await self._matching(await self._named(criteria), criteria)
        return sorted(found, key=lambda dead: dead.dead_lettered_ms)

    async def _named(self, criteria: Filter) -> list[Position]:
        """The places of the named letters, whatever else the filter says."""
        places = [
            (name, Index(shard, group, shard.dead(group)))
            for name in dict.fromkeys(criteria.names)
            for group in self._chosen(criteria)
            for shard in self.shards
        ]
        scores = await execute_all(self._client, [("ZSCORE", index.key, name) for name, index in places])
        return [
            Position(int(float(score)), name, index)
            for (name, index), score in zip(places, scores, strict=True)
            if score is not None
        ]

    async def _matching(self, existing: Sequence[Position], criteria: Filter) -> list[StoredLetter]:
        selected = [each for each in existing if criteria.since_ms <= each.dead_lettered_ms <= criteria.until_ms]
        letters = await self._letters(selected)
        return [dead for dead in letters if criteria.covers_kind(dead.letter.fingerprint, dead.letter)]

    async def walk(self, criteria: Filter, batch: int) -> AsyncIterator[list[StoredLetter]]:
        """Yield all letters that match, oldest first, in batches. Raises FailedError for an unknown group.

        Without names it is a snapshot: only letters that existed when it began, by Redis' clock.
        """
        if criteria.names:
            found = await self.remaining(criteria)
            for i in range(0, len(found), batch):
                yield found[i : i + batch]
            return
        criteria = await self.snapshot(criteria)
        scan = MergedScan(self._client, await self._indexes(criteria), criteria.since_ms, criteria.until_ms, batch)
        while batch_positions := await scan.next():
            yield await self._letters(batch_positions)

    async def oldest(self, keys: Keys, group: str, past: int, count: int) -> tuple[list[StoredLetter], int]:
        """Read `count` letters of a group and shard, oldest first, after skipping `past`.

        Returns those that this release can read, and their number including those that it cannot.
        """
        index = Index(keys, group, keys.dead(group))
        flat = await self._client.execute_command("ZRANGE", index.key, past, past + count - 1, "WITHSCORES")
        oldest = positions(index, flat)
        return await self._letters(oldest), len(oldest)

    async def snapshot(self, criteria: Filter) -> Filter:
        """Return the filter limited to letters that exist now, by Redis' clock."""
        return replace(criteria, until_ms=min(criteria.until_ms, await registry.now_ms(self._client)))

    async def summaries(self, criteria: Filter) -> list[Summary]:
        """Return the fingerprints that match, most letters first. Names in the filter are ignored."""
        kinds = await self._kinds(criteria)
        now_ms = await registry.now_ms(self._client)
        times = criteria.since_ms, criteria.until_ms, now_ms
        commands = [command for each in kinds for command in causes.commands(each.at, *times)]
        return causes.merged(kinds, await execute_all(self._client, commands))

    def _chosen(self, criteria: Filter) -> Sequence[str]:
        for group in criteria.groups:
            self.require(group)
        return tuple(dict.fromkeys(criteria.groups)) or self.groups

    def require(self, group: str) -> None:
        """Raise FailedError when the group does not exist."""
        if group not in self.groups:
            there = f"there are: {', '.join(self.groups)}" if self.groups else "there are none yet"
            raise FailedError(f"no group {group}; {there}{did_you_mean(group, self.groups)}")

    async def _indexes(self, criteria: Filter) -> list[Index]:
        if criteria.is_by_kind:
            return [each.at for each in await self._kinds(criteria)]
        groups = self._chosen(criteria)
        return [Index(shard, group, shard.dead(group)) for group in groups for shard in self.shards]

    async def _kinds(self, criteria: Filter) -> list[IndexOfKind]:
        places = [(shard, group) for group in self._chosen(criteria) for shard in self.shards]
        replies = await execute_all(
            self._client, [("HGETALL", shard.dead_fingerprints(group)) for shard, group in places]
        )
        kinds = []
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
                    kinds.append(IndexOfKind(index, fingerprint, kind))
        return kinds

    async def _count(self, indexes: Sequence[Index], criteria: Filter) -> int:
        commands = [("ZCOUNT", index.key, criteria.since_ms, criteria.until_ms) for index in indexes]
        return sum(await execute_all(self._client, commands))

    async def _letters(self, at: Sequence[Position]) -> list[StoredLetter]:
        """Read the records in order, without those that were removed meanwhile."""
        commands = [
            ("HGET", position.in_index.keys.dead_data(position.in_index.group), position.name) for position in at
        ]
        letters = []
        for (dead_lettered_ms, name, index), raw in zip(at, await execute_all(self._client, commands), strict=True):
            if raw is None:
                continue
            try:
                letters.append(StoredLetter(index.keys, index.group, name, dead_lettered_ms, dead_letter.decode(raw)))
            except msgspec.MsgspecError:
                self.unreadable.append(name)
        return letters

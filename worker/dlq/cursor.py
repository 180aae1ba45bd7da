"""Scans several sorted sets of dead letters in one merge, oldest first, while other programs change them.

Ranks shift when letters are removed, so the scan continues by dead-lettering time and remembers the names that it
has returned of the current millisecond. Letters that arrive after the scan began lie beyond `until_ms`, so every scan
ends. Holds a bounded part of each set in memory.
"""

import heapq
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from ...shared.connection import Redis
from ...shared.keys import Keys
from ...shared.pipelined import execute_all
from ...shared.raw_connection import Command

MIN_AHEAD: Final = 10
"""The least number of names read ahead per set, so that many small sets do not cost a round trip per letter."""
MAX_TIES: Final = 1000
"""Letters of one millisecond and set that are told apart by name: some 40 KB."""


class Index(NamedTuple):
    """A sorted set of dead letters by dead-lettering time: all of a group in one shard, or those of one fingerprint."""

    keys: Keys
    group: str
    key: str


class Position(NamedTuple):
    """A letter's place in an index. `dead_lettered_ms` is its score, Unix ms."""

    dead_lettered_ms: int
    name: str
    in_index: Index


def positions(index: Index, flat: Sequence[bytes]) -> list[Position]:
    """Parse the reply of a range command with WITHSCORES."""
    return [
        Position(int(float(score)), name.decode(), index) for name, score in zip(flat[::2], flat[1::2], strict=True)
    ]


class _Cursor(msgspec.Struct):
    """The position reached in one set. `returned` are the names already read at `after_ms`."""

    index: Index
    after_ms: int
    returned: set[str] = msgspec.field(default_factory=set)
    ahead: deque[Position] = msgspec.field(default_factory=deque)
    is_done: bool = False

    def command(self, until_ms: int, count: int) -> Command:
        limit = count + len(self.returned)
        return ("ZRANGEBYSCORE", self.index.key, self.after_ms, until_ms, "WITHSCORES", "LIMIT", 0, limit)

    def fill(self, flat: Sequence[bytes], count: int) -> None:
        self.is_done = len(flat) // 2 < count + len(self.returned)
        fresh = [
            position
            for position in positions(self.index, flat)
            if position.dead_lettered_ms != self.after_ms or position.name not in self.returned
        ]
        self.ahead.extend(fresh)
        if fresh:
            if fresh[-1].dead_lettered_ms != self.after_ms:
                self.after_ms, self.returned = fresh[-1].dead_lettered_ms, set()
            self.returned.update(position.name for position in fresh if position.dead_lettered_ms == self.after_ms)


class MergedScan:
    """One pass over several sets, from `since_ms` to `until_ms`, both included."""

    def __init__(self, client: Redis, indexes: Sequence[Index], since_ms: int, until_ms: int, batch: int) -> None:
        self._client = client
        self._until_ms = until_ms
        self._batch = batch
        self._cursors = [_Cursor(index, since_ms) for index in indexes]
        self._count = max(MIN_AHEAD, batch // max(1, len(indexes)))

    async def next(self) -> list[Position]:
        """Return the next batch; empty at the end. Raises RedisError, OSError."""
        taken: list[Position] = []
        while len(taken) < self._batch:
            await self._fill()
            before = len(taken)
            self._take(taken)
            if len(taken) == before:
                break
        return taken

    async def _fill(self) -> None:
        empty = [cursor for cursor in self._cursors if not cursor.ahead and not cursor.is_done]
        commands = [cursor.command(self._until_ms, self._count) for cursor in empty]
        for cursor, flat in zip(empty, await execute_all(self._client, commands), strict=True):
            cursor.fill(flat, self._count)
        self._cursors = [cursor for cursor in self._cursors if cursor.ahead or not cursor.is_done]

    def _take(self, taken: list[Position]) -> None:
        """Take the oldest positions of all sets until the batch is full or a set that has more must be read again."""
        heads = [(cursor.ahead[0].dead_lettered_ms, i) for i, cursor in enumerate(self._cursors)]
        heapq.heapify(heads)
        while heads and len(taken) < self._batch:
            cursor = self._cursors[heads[0][1]]
            taken.append(cursor.ahead.popleft())
            if cursor.ahead:
                heapq.heapreplace(heads, (cursor.ahead[0].dead_lettered_ms, heads[0][1]))
            elif cursor.is_done:
                heapq.heappop(heads)
            else:
                return


async def newest_before(
    client: Redis, indexes: Sequence[Index], since_ms: int, until_ms: int, before: tuple[int, str] | None, limit: int
) -> list[Position]:
    """The newest `limit` positions of several sets from `until_ms` back to `since_ms`, newest first.

    With `before`, the time and name of a letter, those that come after it in this order: pages continue without a gap
    or a repeat while letters come and go. Of the letters of that very millisecond it reads all.
    """
    last_ms = min(until_ms, before[0]) if before else until_ms
    newest: list[Position] = []
    counts = dict.fromkeys(indexes, 0)
    offset = 0
    while counts:
        commands: list[Command] = [
            ("ZREVRANGEBYSCORE", each.key, last_ms, since_ms, "WITHSCORES", "LIMIT", offset, limit) for each in counts
        ]
        for index, flat in zip(list(counts), await execute_all(client, commands), strict=True):
            found = positions(index, flat)
            fresh = [each for each in found if before is None or each[:2] < before]
            newest = heapq.nlargest(limit, (*newest, *fresh), key=lambda position: position[:2])
            counts[index] += len(fresh)
            if len(found) < limit or counts[index] >= limit:
                del counts[index]
        offset += limit
    return newest


async def count_newer(client: Redis, indexes: Sequence[Index], place: tuple[int, str]) -> int | None:
    """How many letters of several sets are newer than a place, the time and name of a letter, in the order of
    `newest_before`; None where more than `MAX_TIES` of one set died in its very millisecond."""
    died_ms, name = place
    commands: list[Command] = [("ZCOUNT", each.key, f"({died_ms}", "+inf") for each in indexes]
    commands += [("ZRANGEBYSCORE", each.key, died_ms, died_ms, "LIMIT", 0, MAX_TIES + 1) for each in indexes]
    replies = await execute_all(client, commands)
    ties: list[list[bytes]] = replies[len(indexes) :]
    if any(len(names) > MAX_TIES for names in ties):
        return None
    later: list[int] = replies[: len(indexes)]
    return sum(later) + sum(each.decode() > name for names in ties for each in names)

"""Reads the deliveries that wait for an attempt, those due first, over all shards, groups and both ways to wait.

Each is read with its fields, as these hold its errors and attempts: a query costs as much as there is of the groups,
types and states that it asks for. Names that cannot be read are collected in `unreadable`.
"""

import heapq
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from ...shared.connection import Redis
from ...shared.entry import parse
from ...shared.keys import Keys
from ...shared.pipelined import execute_all
from ...shared.undecodable import UNDECODABLE
from ..dlq import possible
from ..dlq.query import DeadLetters
from ..inventory import redeliveries
from ..inventory.lag import pairs
from .waiting import Filter, Waiting, of_parked

AHEAD: Final = 500
"""Deliveries read ahead over all sources: some megabytes, as events are small."""
MIN_AHEAD: Final = 10
"""The least number per source, so that many of them do not cost a round trip per delivery."""
START: Final = (0, "")
"""Before the first delivery."""


class Retries:
    """The waiting deliveries of some groups. Every method raises RedisError, OSError."""

    def __init__(self, client: Redis, shards: Sequence[Keys], groups: Sequence[str]) -> None:
        self.shards = shards
        self.unreadable: list[str] = []
        self._client = client
        self._groups = groups

    @classmethod
    async def open(cls, client: Redis, store: DeadLetters, criteria: Filter) -> "Retries":
        """Those that a filter asks for. Raises FailedError for an unknown group or type."""
        for group in criteria.groups:
            store.require(group)
        await possible.require(client, store, criteria.types)
        return cls(client, store.shards, store.groups)

    async def page(self, criteria: Filter, limit: int, after: tuple[int, str] = START) -> list[Waiting]:
        """The first `limit` that match and come after a place."""
        found: list[Waiting] = []
        async for waiting in self.walk(criteria, after):
            found.append(waiting)
            if len(found) == limit:
                break
        return found

    async def walk(self, criteria: Filter, after: tuple[int, str] = START) -> AsyncIterator[Waiting]:
        """Yield what matches, by place."""
        sources = await self._sources(criteria, after[0])
        heads = [(head.place, i, head) for i, source in enumerate(sources) if (head := await anext(source, None))]
        heapq.heapify(heads)
        while heads:
            place, i, waiting = heads[0]
            if place > after and criteria.covers(waiting):
                yield waiting
            following = await anext(sources[i], None)
            if following is None:
                heapq.heappop(heads)
            else:
                heapq.heapreplace(heads, (following.place, i, following))

    async def _sources(self, criteria: Filter, since_ms: int) -> list[AsyncIterator[Waiting]]:
        groups = [group for group in self._groups if not criteria.groups or group in criteria.groups]
        is_parked, is_queued = (_asks(criteria, *states) for states in (("parked", "snoozed"), ("queued",)))
        parked = [(keys, group) for keys in self.shards for group in groups if is_parked]
        queued = await self._streams(criteria, groups) if is_queued else []
        count = max(MIN_AHEAD, AHEAD // max(1, len(parked) + len(queued)))
        return [
            *(self._parked(keys, group, criteria, since_ms, count) for keys, group in parked),
            *(self._queued(*stream, since_ms, count) for stream in queued),
        ]

    async def _streams(self, criteria: Filter, groups: Sequence[str]) -> list[tuple[Keys, str, str, bytes]]:
        """Shard, group, type and last delivered id of each redelivery stream."""
        listed = await execute_all(self._client, [("SMEMBERS", keys.redeliveries) for keys in self.shards])
        places = [
            (keys, group, name)
            for keys, members in zip(self.shards, listed, strict=True)
            for group, types in sorted(redeliveries.read(members).items())
            for name in sorted(types)
            if group in groups and criteria.covers_type(name)
        ]
        commands = [("XINFO", "GROUPS", keys.redelivery(name, group)) for keys, group, name in places]
        replies = await execute_all(self._client, commands, raises=False)
        return [(*place, _delivered(reply, place[1])) for place, reply in zip(places, replies, strict=True)]

    async def _parked(
        self, keys: Keys, group: str, criteria: Filter, since_ms: int, count: int
    ) -> AsyncIterator[Waiting]:
        """By due time and name, as a sorted set has them. What is parked meanwhile may show, or not."""
        first, seen = since_ms, set[bytes]()
        while True:
            # Any number may be due at once, such as after a hold. An offset would miss some while others are moved.
            limit = count + 2 * len(seen)
            command = ("ZRANGEBYSCORE", keys.delayed(group), first, "+inf", "WITHSCORES", "LIMIT", 0, limit)
            flat = await self._client.execute_command(*command)
            fresh = [(name, int(float(at))) for name, at in zip(flat[::2], flat[1::2], strict=True) if name not in seen]
            for i in range(0, len(fresh), count):
                for waiting in await self._read(keys, group, criteria, fresh[i : i + count]):
                    yield waiting
            if len(flat) < 2 * limit or not fresh:
                return
            first = fresh[-1][1]
            seen = {name for name, at in zip(flat[::2], flat[1::2], strict=True) if int(float(at)) == first}

    async def _read(
        self, keys: Keys, group: str, criteria: Filter, members: Sequence[tuple[bytes, int]]
    ) -> list[Waiting]:
        chosen = [(name.decode(), at) for name, at in members]
        chosen = [(name, at) for name, at in chosen if criteria.covers_type(name.partition("|")[0])]
        if not chosen:
            return []
        names = [name for name, _ in chosen]
        commands = [
            ("HMGET", keys.delayed_data(group), *names),
            *(("ZSCORE", keys.snoozed(group), name) for name in names),
        ]
        packed, *snoozed = await execute_all(self._client, commands)
        found = []
        for (name, due_ms), raw, since in zip(chosen, packed, snoozed, strict=True):
            if raw is not None:
                try:
                    found.append(of_parked(keys, group, name, due_ms, raw, is_snoozed=since is not None))
                except (KeyError, *UNDECODABLE):
                    self.unreadable.append(name)
        return found

    async def _queued(
        self, keys: Keys, group: str, event_type: str, delivered: bytes, since_ms: int, count: int
    ) -> AsyncIterator[Waiting]:
        """In the order of the stream, behind what a worker has received."""
        first = max(f"({delivered.decode()}", f"{since_ms}-0", key=_id)
        while True:
            command = ("XRANGE", keys.redelivery(event_type, group), first, "+", "COUNT", count)
            entries = await self._client.execute_command(*command)
            for entry_id, fields in entries:
                name = entry_id.decode()
                try:
                    entry = parse(fields)
                except (KeyError, *UNDECODABLE):
                    self.unreadable.append(f"{event_type}|{group}|{name}")
                    continue
                yield Waiting(keys, group, event_type, "queued", name, _id(name)[0], entry)
            if len(entries) < count:
                return
            first = f"({entries[-1][0].decode()}"


def _asks(criteria: Filter, *states: str) -> bool:
    return not criteria.states or any(state in criteria.states for state in states)


def _delivered(reply: Any, group: str) -> bytes:
    """The last id that the group of a redelivery stream has received; both may have gone meanwhile."""
    infos = [] if isinstance(reply, Exception) else [pairs(flat) for flat in reply]
    return next((bytes(info["last-delivered-id"]) for info in infos if info["name"].decode() == group), b"0-0")


def _id(text: str) -> tuple[int, int]:
    ms, _, number = text.removeprefix("(").partition("-")
    return int(ms), int(number or 0)

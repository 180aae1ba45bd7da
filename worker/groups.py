"""Makes sure that a group exists on every stream that it reads, and finds the streams of types seen for the first time.

A group is born once: where it starts is fixed then, and holds for types that appear later too. Looks for new types
every two seconds, at the cost of one SMEMBERS a group and shard; types documented beforehand need no looking.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared import log
from shared.connection import FAULTS, refusal_code
from shared.keys import Keys
from shared.pause import pause
from worker import metrics
from worker.app import Start

INTERVAL_S: Final = 2.0

Found = Callable[[str], Awaitable[None]]


class Membership:
    """A group's place on the streams of one shard. `patterns` are what it subscribes to."""

    def __init__(self, client: Redis, keys: Keys, group: str, start: Start, patterns: Iterable[str] = ()) -> None:
        self._client = client
        self._keys = keys
        self._group = group
        self._start = start
        self._patterns = " ".join(sorted(patterns)).encode()
        self._start_id = ""
        self._joined: set[str] = set()
        self._log = log.get("worker.groups")
        metrics.LOSSES.labels(group)  # there from the start: Prometheus sees no increase in what begins at 1

    async def join(self, types: Iterable[str]) -> None:
        """Create the group where it is missing. Raises RedisError, OSError; can be repeated.

        A stream that this process had joined before, and where it has to make the group anew, counts as data loss; of
        several processes that find it gone, one makes it.
        """
        names = list(types)
        start_id = await self._born()
        await self._tell_patterns()
        missing = await self._missing(names)
        pipeline = self._client.pipeline(transaction=False)
        for name, stream in missing:
            begin = start_id if stream == self._keys.stream(name) else "0"
            pipeline.execute_command("XGROUP", "CREATE", stream, self._group, begin, "MKSTREAM")
        made: set[str] = set()
        for (name, _), result in zip(missing, await pipeline.execute(raise_on_error=False), strict=True):
            if not isinstance(result, Exception):
                made.add(name)
            elif refusal_code(result) != "BUSYGROUP":
                raise result
        lost = made & self._joined
        self._joined.update(names)
        if lost:
            await self._report_loss(sorted(lost))

    async def _missing(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """Types and streams where the group is not. A look first: Redis refuses XGROUP CREATE when memory is short,
        also of what exists, and a worker must be able to start then, to make room."""
        places = [(n, key) for n in names for key in (self._keys.stream(n), self._keys.redelivery(n, self._group))]
        pipeline = self._client.pipeline(transaction=False)
        for _, stream in places:
            pipeline.execute_command("XINFO", "GROUPS", stream)
        replies = await pipeline.execute(raise_on_error=False)
        wanted = self._group.encode()
        return [
            place
            for place, reply in zip(places, replies, strict=True)
            if isinstance(reply, Exception) or not any(flat[1] == wanted for flat in reply)
        ]

    async def _born(self) -> str:
        """The stream id that the group starts after. Kept in memory too, for a Redis that comes back empty."""
        if not self._start_id:
            # The id just before that millisecond: a group starts after the id that it is given, and what is stored
            # in the millisecond of its birth must not be missed.
            before_ms = await self._start_ms() - 1
            self._start_id = f"{before_ms}-{2**64 - 1}" if before_ms >= 0 else "0"
        found: bytes | None = await self._client.execute_command("HGET", self._keys.groups, self._group)
        if found is None:
            await self._client.execute_command("HSETNX", self._keys.groups, self._group, self._start_id)
            found = await self._client.execute_command("HGET", self._keys.groups, self._group)
        self._start_id = found.decode() if found else self._start_id
        return self._start_id

    async def _start_ms(self) -> int:
        """The first millisecond whose events are the group's."""
        if self._start == "earliest":
            return 0
        if isinstance(self._start, datetime):
            return int(self._start.timestamp() * 1000)
        seconds, microseconds = await self._client.execute_command("TIME")
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def _tell_patterns(self) -> None:
        """Say what the group subscribes to, so that no event of a type that is new goes before the group has a place on
        its stream. Without memory Redis refuses that, but trims what can be told by the streams."""
        place = (self._keys.patterns, self._group)
        if self._patterns and await self._client.execute_command("HGET", *place) != self._patterns:
            try:
                await self._client.execute_command("HSET", *place, self._patterns)
            except ResponseError as error:
                if refusal_code(error) != "OOM":
                    raise
                self._log.warning("patterns_not_told", group=self._group, reason=str(error))

    async def _report_loss(self, types: list[str]) -> None:
        metrics.LOSSES.labels(self._group).inc()
        self._log.error(
            "data_loss", group=self._group, types=types, reason="group or stream had vanished; it was made anew"
        )
        await self._client.execute_command("HINCRBY", self._keys.losses, self._group, 1)

    async def types(self) -> set[str]:
        """The types that were ever stored in this shard."""
        return {name.decode() for name in await self._client.execute_command("SMEMBERS", self._keys.types)}


class Discovery:
    """Hands types that appear to `found`, which subscribes to those that concern the group."""

    def __init__(
        self, membership: Membership, stopping: asyncio.Event, found: Callable[[str], Awaitable[None]]
    ) -> None:
        self._membership = membership
        self._stopping = stopping
        self._found = found
        self._known: set[str] = set()

    async def run(self) -> None:
        """Look until stopping."""
        while not self._stopping.is_set():
            try:
                types = await self._membership.types()
                self._known &= types  # those of runs of `verify` come and go
                for name in types - self._known:
                    await self._found(name)
                    self._known.add(name)
            except FAULTS as error:
                log.get("worker.groups").debug("discovery_delayed", reason=str(error))
            await pause(self._stopping, INTERVAL_S)

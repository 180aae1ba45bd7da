"""Delivers retained events to a group again, through its redelivery streams.

Each batch is one script call per shard, written as a whole or not at all. An event takes its memory a second time
until it is handled, so the replay waits before Redis is so full that workers trim history and ingest answers 503;
workers that handle redeliveries make room. Trimming cannot affect it: a redelivery carries its own body. After a kill
half-way, the batches so far are delivered and the others are not.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from ...shared import memory, scripts
from ...shared.command import FailedError
from ...shared.connection import Redis, refusal_code
from ...shared.entry import redelivery_fields
from ...shared.keys import Keys, listed_as
from ...shared.pause import pause
from .history import StoredEvent

ROOM: Final = 0.8
"""Share of `maxmemory` up to which a replay may fill Redis. At nine tenths workers trim handled events: the history
that is being replayed."""
POLL_S: Final = 1.0
"""Interval between two checks for room."""
PATIENCE_S: Final = 60.0
"""Time without room before it gives up (a guess): no worker is running then, or something else fills Redis."""

Part = tuple[scripts.Call, int]
"""A script call, and the number of its events."""


class Replay:
    """One replay to one group. `report` is called with a message when it begins to wait. `reached_ms` (Unix ms):
    every event that Redis stored before it was delivered."""

    def __init__(self, client: Redis, group: str, stopping: asyncio.Event, report: Callable[[str], None]) -> None:
        self.reached_ms = 0
        self._client = client
        self._group = group
        self._stopping = stopping
        self._report = report

    async def deliver(self, events: Sequence[StoredEvent]) -> list[int]:
        """Deliver a batch; returns a 1 for each delivered event: all, unless it was stopped.

        Raises FailedError when no room is made or the group no longer exists, RedisError, OSError.
        """
        undelivered: list[Part] = self._parts(events)
        give_up_at = time.monotonic() + PATIENCE_S
        is_waiting = False
        while undelivered:
            if await memory.share_used(self._client) < ROOM:
                undelivered = await self._try(undelivered)
            if undelivered:
                await self._wait(give_up_at, is_first=not is_waiting)
                is_waiting = True
                if self._stopping.is_set():
                    break
        else:
            self.reached_ms = events[-1].stored_ms
        return [1] * (len(events) - sum(count for _, count in undelivered))

    def _parts(self, events: Sequence[StoredEvent]) -> list[Part]:
        shards: dict[Keys, list[StoredEvent]] = {}
        for event in events:
            shards.setdefault(event.keys, []).append(event)
        return [(replay_call(keys, self._group, part), len(part)) for keys, part in shards.items()]

    async def _try(self, parts: Sequence[Part]) -> list[Part]:
        """Send parts; returns those that Redis refused for lack of memory."""
        refused = []
        results = await scripts.run_all(self._client, [call for call, _ in parts])
        for part, result in zip(parts, results, strict=True):
            if isinstance(result, Exception):
                if refusal_code(result) != "OOM":
                    raise result
                refused.append(part)
            elif not result:
                raise FailedError(f"group {self._group} no longer exists")
        return refused

    async def _wait(self, give_up_at: float, *, is_first: bool) -> None:
        if time.monotonic() > give_up_at:
            raise FailedError(f"Redis is more than {ROOM:.0%} full, and nothing made room for {PATIENCE_S:g} s")
        if is_first:
            self._report(f"Redis is more than {ROOM:.0%} full: waiting until the workers of {self._group} make room")
        await pause(self._stopping, POLL_S)


def replay_call(keys: Keys, group: str, events: Sequence[StoredEvent]) -> scripts.Call:
    """The call that delivers events of one shard to a group: marked as replays, attempts from 1."""
    numbers = {name: i for i, name in enumerate(dict.fromkeys(event.type for event in events), 1)}
    args: list[scripts.Argument] = [group, *(listed_as(name, group) for name in numbers)]
    for event in events:
        fields = redelivery_fields(msgspec.structs.replace(event.entry, is_replay=True), 1, ())
        args += (numbers[event.type], len(fields), *fields)
    streams = [keys.redelivery(name, group) for name in numbers]
    return scripts.Call(scripts.REPLAY, (keys.groups, keys.redeliveries, *streams), args)

"""Gives a group events of the past once more, by way of its redelivery streams.

Each batch is one script call a shard: there as a whole, or not at all. An event takes its memory a second time until
it is handled, so the replay waits before Redis is so full that workers drop history and ingest answers 503; workers
that handle what they were given make room. Trimming can't harm it: a redelivery carries its own body. Dies half-way:
the batches so far are delivered, the rest is not.
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
from ...shared.keys import Keys
from ...shared.pause import pause
from .history import StoredEvent

ROOM: Final = 0.8
"""Share of `maxmemory` up to which a replay may fill Redis. At nine tenths workers drop what is handled: the very
history that is being replayed."""
POLL_S: Final = 1.0
"""Between two looks whether there is room."""
PATIENCE_S: Final = 60.0
"""How long without room before it gives up (a guess): then nobody works, or something else fills Redis."""

Part = tuple[scripts.Call, int]
"""A call, and how many events it gives."""


class Replay:
    """One replay to one group. `say` is told once when it has to wait. `reached_ms` (Unix ms): everything that Redis
    stored before then was given."""

    def __init__(self, client: Redis, group: str, stopping: asyncio.Event, say: Callable[[str], None]) -> None:
        self.reached_ms = 0
        self._client = client
        self._group = group
        self._stopping = stopping
        self._say = say
        self._is_said = False

    async def give(self, events: Sequence[StoredEvent]) -> list[int]:
        """Give a batch; a 1 for each event that was given: all, unless it was stopped.

        Raises FailedError when there is no room or no such group any more, RedisError, OSError.
        """
        left: list[Part] = self._parts(events)
        give_up_at = time.monotonic() + PATIENCE_S
        while left:
            if await memory.share_used(self._client) < ROOM:
                left = await self._try(left)
            if left:
                await self._wait(give_up_at)
                if self._stopping.is_set():
                    break
        else:
            self.reached_ms = events[-1].stored_ms
        return [1] * (len(events) - sum(count for _, count in left))

    def _parts(self, events: Sequence[StoredEvent]) -> list[Part]:
        shards: dict[Keys, list[StoredEvent]] = {}
        for past in events:
            shards.setdefault(past.keys, []).append(past)
        return [(give(keys, self._group, part), len(part)) for keys, part in shards.items()]

    async def _try(self, parts: Sequence[Part]) -> list[Part]:
        """Send them; those that Redis has no memory for."""
        refused = []
        results = await scripts.run_all(self._client, [call for call, _ in parts])
        for part, result in zip(parts, results, strict=True):
            if isinstance(result, Exception):
                if refusal_code(result) != "OOM":
                    raise result
                refused.append(part)
            elif not result:
                raise FailedError(f"there is no group {self._group} any more")
        return refused

    async def _wait(self, give_up_at: float) -> None:
        if time.monotonic() > give_up_at:
            raise FailedError(f"Redis is more than {ROOM:.0%} full, and for {PATIENCE_S:g} s nothing made room")
        if not self._is_said:
            self._is_said = True
            self._say(f"Redis is more than {ROOM:.0%} full: waiting until the workers of {self._group} make room")
        await pause(self._stopping, POLL_S)


def give(keys: Keys, group: str, events: Sequence[StoredEvent]) -> scripts.Call:
    """The call that gives events of one shard to a group: marked, and from their first attempt."""
    numbers = {name: i for i, name in enumerate(dict.fromkeys(past.type for past in events), 1)}
    args: list[scripts.Argument] = [group]
    for past in events:
        fields = redelivery_fields(msgspec.structs.replace(past.entry, is_replay=True), 1, ())
        args += (numbers[past.type], len(fields), *fields)
    streams = [keys.redelivery(name, group) for name in numbers]
    return scripts.Call(scripts.REPLAY, (keys.groups, *streams), args)

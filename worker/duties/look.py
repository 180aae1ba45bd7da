"""Looks once a second at what a shard holds for all groups of the process: the types seen, the pauses, and when
the next parked delivery of each group is due.

Costs Redis three commands per shard and second in one round trip, however many groups there are. Duties wait for the
next look instead of asking Redis themselves. While Redis is unreachable, the last look holds; so do types and pauses
when Redis refuses their key.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ...shared import log
from ...shared.connection import FAULTS, Redis
from ...shared.keys import Keys
from ...shared.pause import pause
from ...shared.pipelined import execute_all
from ...shared.raw_connection import Command
from ..inventory import pauses
from ..inventory.lag import pairs
from ..inventory.pauses import Paused
from ..pipeline.unusable_keys import UnusableKeys, is_of_one_key

INTERVAL_S: Final = 1.0
"""A pause takes effect within two seconds: one interval, and the time to end a blocking read."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a shard held. `types` were ever stored; `paused`: group → pattern → pause; `due_ms`: group → Unix ms before
    which none of its parked deliveries is due, None if Redis refuses the key."""

    types: frozenset[str] = frozenset()
    paused: Mapping[str, Mapping[str, Paused]] = field(default_factory=dict)
    due_ms: Mapping[str, float] | None = field(default_factory=dict)


NOTHING: Final = Look()


class Lookout:
    """The looks at one shard."""

    def __init__(self, client: Redis, keys: Keys, unusable_keys: UnusableKeys, stopping: asyncio.Event) -> None:
        self._client = client
        self._keys = keys
        self._unusable_keys = unusable_keys
        self._stopping = stopping
        self._looked = asyncio.Event()
        self.last = NOTHING

    async def after(self, look: Look) -> Look:
        """Wait for a look later than this one; at the stop, return the last one at once."""
        while self.last is look and not self._stopping.is_set():
            await self._looked.wait()
        return self.last

    async def look(self) -> None:
        """Look now, for all who wait. Raises RedisError, OSError."""
        keys, last = self._keys, self.last
        commands: list[Command] = [
            ("SMEMBERS", keys.types),
            ("HGETALL", keys.paused),
            ("ZRANGE", keys.due, 0, -1, "WITHSCORES"),
        ]
        types, paused, due = await execute_all(self._client, commands, raises=False)
        if last is NOTHING and isinstance(types, Exception):
            raise types  # no worker starts without knowing what there is to read
        self.last = Look(
            types=frozenset(map(bytes.decode, types)) if self._is_usable(keys.types, types) else last.types,
            paused=pauses.read([paused]) if self._is_usable(keys.paused, paused) else last.paused,
            due_ms={group: float(ms) for group, ms in pairs(due).items()} if self._is_usable(keys.due, due) else None,
        )
        self._wake()

    async def run(self) -> None:
        """Look until stopping."""
        while not self._stopping.is_set():
            try:
                await self.look()
            except FAULTS as error:
                log.get("worker.look").debug("query_delayed", reason=str(error))
            await pause(self._stopping, INTERVAL_S)
        self._wake()

    def _is_usable(self, key: str, reply: Any) -> bool:
        if not isinstance(reply, Exception):
            self._unusable_keys.remove(key)
            return True
        if not is_of_one_key(reply):
            raise reply
        self._unusable_keys.add(key, reply)
        return False

    def _wake(self) -> None:
        self._looked.set()
        self._looked = asyncio.Event()

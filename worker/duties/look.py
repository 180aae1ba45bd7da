"""Looks once a second at what a shard holds for all groups of the process: the types seen, the redelivery streams, the
pauses, when the next parked delivery of each group is due, which consumers fell silent, and in the home shard what is
suspended.

Costs Redis five commands per shard and second in one round trip, one more in the home shard, however many groups there
are. Duties wait for the next look instead of asking Redis themselves. While Redis is unreachable, the last look holds;
so do types, redelivery streams, pauses and suspensions when Redis refuses their key.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ...shared import log, scripts
from ...shared.clock import now_ms
from ...shared.connection import FAULTS, Redis
from ...shared.keys import HOME, Keys
from ...shared.pause import pause
from ...shared.pipelined import execute_all
from ...shared.raw_connection import Command
from ..inventory import expiries, pauses, redeliveries, suspensions
from ..inventory.lag import pairs
from ..inventory.pauses import Paused
from ..pipeline.unusable_keys import UnusableKeys
from . import same_host
from .heartbeat import TTL_S

INTERVAL_S: Final = 1.0
"""A pause takes effect within two seconds: one interval, and the time to end a blocking read."""

QUIET_MS: Final = round((TTL_S - 3) * 1000)
"""So much is left of a liveness key three seconds after its renewal. Then that of a process that ended on this machine
is deleted. The key decides in the end, and a process that is alive renews it every two seconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a shard held. `types` were ever stored; `redeliveries`: group → types of its redelivery streams; `paused`:
    group → pattern → pause; `due_ms`: group → Unix ms before which none of its parked deliveries is due; `expired`:
    those of `expiries` → Unix ms since when, both None if Redis refuses their key; `suspended`: the fields of
    `suspensions.KEY`, in the home shard alone; `began_s`: `time.monotonic` before it."""

    types: frozenset[str] = frozenset()
    redeliveries: Mapping[str, frozenset[str]] = field(default_factory=dict)
    paused: Mapping[str, Mapping[str, Paused]] = field(default_factory=dict)
    due_ms: Mapping[str, float] | None = field(default_factory=dict)
    expired: Mapping[str, float] | None = field(default_factory=dict)
    suspended: Mapping[str, bytes] = field(default_factory=dict)
    began_s: float = 0.0


NOTHING: Final = Look()

Step = Callable[[Look], Awaitable[None]]
"""Raises RedisError, OSError."""


class Lookout:
    """The looks at one shard."""

    def __init__(self, client: Redis, keys: Keys, unusable_keys: UnusableKeys, stopping: asyncio.Event) -> None:
        self._client = client
        self._keys = keys
        self._unusable_keys = unusable_keys
        self._stopping = stopping
        self._looked = asyncio.Event()
        self._hurry = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self.last = NOTHING

    def subscribe(self, looked: Callable[[], None]) -> None:
        """Call a function after each look, and at the stop."""
        self._listeners.append(looked)

    async def each(self, *steps: Step, logger: Any) -> None:
        """Take steps after each look, the last one first, until stopping. One that fails is taken after the next look,
        and keeps no other waiting."""
        while not self._stopping.is_set():
            look = self.last
            for step in steps:
                try:
                    await step(look)
                except FAULTS as error:
                    logger.debug("query_delayed", reason=str(error))
            await self.after(look)

    async def after(self, look: Look) -> Look:
        """Wait for a look later than this one; at the stop, return the last one at once."""
        while self.last is look and not self._stopping.is_set():
            await self._looked.wait()
        return self.last

    def hurry(self) -> None:
        """Look at once, and end at once when stopping."""
        self._hurry.set()

    async def look(self) -> None:
        """Look now, for all who wait. Raises RedisError, OSError."""
        keys, last, now, began_s = self._keys, self.last, now_ms(), time.monotonic()
        commands: list[Command] = [
            ("SMEMBERS", keys.types),
            ("SMEMBERS", keys.redeliveries),
            ("HGETALL", keys.paused),
            ("ZRANGE", keys.due, 0, -1, "WITHSCORES"),
            expiries.query(keys, now + QUIET_MS),
        ]
        if keys == HOME:
            commands.append(("HGETALL", suspensions.KEY))
        types, listed, paused, due, silent, *home = await execute_all(self._client, commands, raises=False)
        if last is NOTHING and isinstance(types, Exception):
            raise types  # no worker starts without knowing what there is to read
        accepts = self._unusable_keys.accepts
        self.last = Look(
            types=frozenset(map(bytes.decode, types)) if accepts(keys.types, types) else last.types,
            redeliveries=redeliveries.read(listed) if accepts(keys.redeliveries, listed) else last.redeliveries,
            paused=pauses.read([paused]) if accepts(keys.paused, paused) else last.paused,
            due_ms={group: float(ms) for group, ms in pairs(due).items()} if accepts(keys.due, due) else None,
            expired=await self._expired(silent, now) if accepts(keys.expiries, silent) else None,
            suspended=pairs(home[0]) if home and accepts(suspensions.KEY, home[0]) else last.suspended,
            began_s=began_s,
        )
        self._wake()

    async def _expired(self, silent: Sequence[bytes], now: int) -> dict[str, float]:
        """Those of the silent whose liveness key has expired. It is deleted if their process ended on this machine."""
        silent_ms = expiries.read(silent)
        expired = {member: ms for member, ms in silent_ms.items() if ms <= now}
        ended = [name for name in silent_ms.keys() - expired if same_host.has_ended(name)]
        calls = [expiries.lapse(self._keys, name, QUIET_MS) for name in ended]
        for name, is_gone in zip(ended, await scripts.run_all(self._client, calls), strict=True):
            if is_gone == 1:
                expired[name] = now
        return expired

    async def run(self) -> None:
        """Look until stopping."""
        while not self._stopping.is_set():
            self._hurry.clear()
            try:
                await self.look()
            except FAULTS as error:
                log.get("worker.look").debug("query_delayed", reason=str(error))
                await pause(self._stopping, INTERVAL_S)
            else:
                await pause(self._hurry, INTERVAL_S)
        self._wake()

    def _wake(self) -> None:
        self._looked.set()
        self._looked = asyncio.Event()
        for looked in self._listeners:
            looked()

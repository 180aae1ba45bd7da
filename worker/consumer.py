"""One process as a consumer: its name, its connections to Redis, its outcomes, its liveness.

A worker is one consumer, and each of its quarantine processes is another.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from ..shared import clock, health, log
from ..shared.address import Address, redacted
from ..shared.backoff import Reconnect
from ..shared.command import Stopping, nothing_to_reload
from ..shared.connection import FAULTS, connect
from ..shared.keys import Keys
from ..shared.pause import pause
from ..shared.raw_connection import RawConnection
from .duties.heartbeat import Liveness
from .inventory import foreign, readers
from .pipeline.read import REPLY_TIMEOUT_S
from .pipeline.routes import Group
from .pipeline.settle import OutcomeWriter, Parked
from .settings import WorkerSettings

CONNECTIONS: Final = 32
"""For all duties of a process, which take turns: their commands take milliseconds, and most of them run once a second.
"""
STUCK_MARGIN_S: Final = 10.0
"""How much longer than the longest handler timeout the event loop may be blocked before the process counts as dead."""


class Consumer:
    """This process, for some groups. `only` is a pattern that limits the types, "" for no limit. `parked` is called as
    by the OutcomeWriter. `has_quarantine`: it can start quarantine processes."""

    def __init__(
        self,
        name: str,
        settings: WorkerSettings,
        groups: Sequence[Group],
        only: str,
        stopping: Stopping,
        parked: Parked,
        *,
        has_quarantine: bool,
    ) -> None:
        self.name = name
        self.only = only
        self.stopping = stopping
        self.shards = [Keys(shard) for shard in range(settings.shards)]
        self._address = settings.address()
        stopping.on_hangup = functools.partial(_reread, self._address)
        self.client = connect(
            self._address, f"hookbus-worker:{name}", connections=CONNECTIONS, waits=True, has_term=True
        )
        self._write = RawConnection(connect(self._address, f"hookbus-worker:settle:{name}", has_term=True))
        self.outcome_writer = OutcomeWriter(self._write, name, parked, settings.recovered_events)
        self.tick = health.LoopTick(asyncio.get_running_loop())
        self.longest_block_s = max(route.timeout_s for group in groups for route in group.routes) + STUCK_MARGIN_S
        """How long a handler may block the event loop before the process counts as dead."""
        self.liveness = Liveness(
            self._address,
            name,
            registrations={
                group.name: readers.register_routes(clock.now_ms(), group.routes, only, has_quarantine=has_quarantine)
                for group in groups
            },
            shards=self.shards,
            loop_age_s=self.tick.age_s,
            hard_limit_s=self.longest_block_s,
        )

    def reading_connection(self) -> RawConnection:
        """A new connection, for blocking reads."""
        name = f"hookbus-worker:read:{self.name}"
        return RawConnection(connect(self._address, name, reply_timeout_s=REPLY_TIMEOUT_S, has_term=True))

    async def connected(self, join: Callable[[], Awaitable[None]]) -> bool:
        """Repeat `join` until Redis is healthy, and start the heartbeat. False if stopped before that."""
        is_connected = False
        try:
            is_connected = await self._connects(join)
        finally:
            if not is_connected and self.liveness.has_begun:  # in some shards, before the fault of another
                await asyncio.to_thread(self.liveness.stop)
        return is_connected

    async def _connects(self, join: Callable[[], Awaitable[None]]) -> bool:
        reconnect = Reconnect()
        while not self.stopping.is_set():
            try:
                await join()
                await asyncio.to_thread(self.liveness.start)
            except FAULTS as error:
                reason = await foreign.reason_of(error, self.client, len(self.shards))
                log.get("worker").warning("redis_unreachable", reason=reason)
                await pause(self.stopping, reconnect.next_s())
            else:
                return True
        return False

    async def close(self) -> None:
        """Close the connections, but for those of readers and of the liveness key."""
        self.tick.stop()
        await self.client.aclose()
        await self._write.aclose()


def _reread(address: Address) -> None:
    """On SIGHUP: read Redis' address, credentials and CA certificates again."""
    if address.refresh():
        log.get("worker").info("reloaded", redis=redacted(address.url))
    else:
        nothing_to_reload()

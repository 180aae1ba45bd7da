"""Whether Redis can keep what a 200 promises: asked on every new connection, and again every two seconds.

Unfit means 503 with the reason as its code, not unreadiness: all replicas share that Redis, and an empty endpoint
list would only hide why. A look does what a post does: it stores nobody's event, and asks whether that is on the disk.
Costs Redis one INFO, one CONFIG GET, a look at one small hash and a group commit each time.
"""

import asyncio
from typing import Final

from ..shared import aof_replay, clock, keys, log, output, server
from ..shared.backoff import Reconnect
from ..shared.connection import FAULTS, Execute, Redis, leave_server
from ..shared.fault import Fault, UnhealthyError, fault_of, judge
from ..shared.fsync import UNOBSERVED, Fsync
from ..shared.keys import Keys
from ..shared.pause import pause
from ..shared.server import Server
from ..shared.settings import ConfigError
from . import metrics
from .landmarks import Landmarks
from .redis_clock import RedisClock
from .rehearsal import rehearse

INTERVAL_S: Final = 2.0


class RedisHealth:
    """Keeps `fault` up to date: None while Redis is fit."""

    def __init__(self, durability: str, shards: int, unsafe: bool, days: int = 5) -> None:
        self._durability = durability
        self._shards = shards
        self._unsafe = unsafe
        self._days = days
        self._fsync = Fsync()
        self._clock = RedisClock()
        self._log = log.get("ingest.redis_health")
        self._suspected = asyncio.Event()
        self._known = False
        self.landmarks = [Landmarks(Keys(shard), days) for shard in range(shards)]
        self._run_id = ""
        self._unexamined: dict[str, str] | None = None
        self.was_healthy = asyncio.Event()
        """Set when Redis was fit for the first time: the program is ready from then on."""
        self.was_seen = asyncio.Event()
        """Set when the first look is over, whatever it saw."""
        self.fault: Fault | None = Fault("queue_unavailable", "not connected yet")

    async def on_connect(self, execute: Execute) -> None:
        """For `connect(on_connect=…)`: no command goes to an unhealthy server. Raises UnhealthyError."""
        for one in self.landmarks:
            one.keep()
        try:
            found = await server.inspect(execute, self._shards)
        except ConfigError as error:
            raise UnhealthyError(Fault("queue_unavailable", str(error))) from error
        self._fsync.observe(found.info)
        self._insist(judge(found, self._durability))
        await rehearse(execute, self._shards, self._days, loads=not self.was_healthy.is_set())
        if self._durability == "fsync" and not self._unsafe:
            self._insist(await self._written(execute, found))
        if found.info.get("run_id", "") != self._run_id and found.info.get("aof_enabled") == "1":
            self._run_id, self._unexamined = found.info.get("run_id", ""), found.info
        if found.is_new and self._known:
            self._report_loss()
        self._known = True

    def _insist(self, fault: Fault | None) -> None:
        if fault is not None and not (self._unsafe and fault.code == "not_durable"):
            raise UnhealthyError(fault)

    async def _written(self, execute: Execute, found: Server) -> Fault | None:
        was_observed = self._fsync.is_observed
        fault = await self._fsync.fault(execute, found.info)
        if was_observed and not self._fsync.is_observed:
            effect = "what a 200 promises is judged by Redis' settings alone"
            self._log.warning("fsync_not_observed", reason=UNOBSERVED, effect=effect)
        return fault

    def mark_suspect(self, fault: Fault) -> None:
        """A command failed: answer 503 until the next look says otherwise, and look soon."""
        self._set(fault)
        self._suspected.set()

    async def run(self, client: Redis) -> None:
        """Look every two seconds, sooner after a failure. Raises ConfigError if the first server is a wrong one."""
        reconnect = Reconnect()
        try:
            while True:
                self._set(await self._poll(client))
                if self.fault is None:
                    reconnect.reset()
                await pause(self._suspected, reconnect.next_s() if self.fault else INTERVAL_S)
                self._suspected.clear()
        finally:
            clock.leave()

    async def _poll(self, client: Redis) -> Fault | None:
        try:
            await self.on_connect(client.execute_command)
            await self._clock.follow(client.execute_command)
            await self._compare(client.execute_command)
            await self._replay(client.execute_command)
        except UnhealthyError as error:
            if isinstance(error.__cause__, ConfigError) and not self.was_healthy.is_set():
                raise error.__cause__ from None
            leave_server(client)  # the address may lead to another one by now
            return error.fault
        except FAULTS as error:
            return fault_of(error)
        return None

    async def _compare(self, execute: Execute) -> None:
        """Report what Redis has lost although it did not come back empty."""
        gaps = [gap for one in self.landmarks if (gap := await one.gap(execute)) is not None]
        if gaps:
            since_ms, until_ms = min(gap.since_ms for gap in gaps), max(gap.until_ms for gap in gaps)
            reason = "Redis came back with older data: what was stored between is gone, wholly or in part"
            between = [output.moment(since_ms) if since_ms else "unknown", output.moment(until_ms)]
            metrics.LOSSES.inc()
            self._log.error("data_loss", lost="events", between=between, reason=reason)

    async def _replay(self, execute: Execute) -> None:
        """Say, once for each server, whether its next restart would lose what it has."""
        info, self._unexamined = self._unexamined, None
        for found in await aof_replay.examine(execute, info) if info else ():
            level = self._log.error if found.exit_code else self._log.warning
            level("restart_unsafe", code=found.code, reason=found.problem, action=found.action)

    def _set(self, fault: Fault | None) -> None:
        if fault is None:
            self.was_healthy.set()
            if self.fault is not None:
                self._log.info("redis_healthy")
        elif (
            self.fault is None
            or self.fault.code != fault.code
            or (not self.was_healthy.is_set() and fault != self.fault)
        ):
            self._log.warning("redis_unhealthy", code=fault.code, reason=fault.detail)
        self.fault = fault
        self.was_seen.set()
        metrics.HEALTHY.set(fault is None)

    def _report_loss(self) -> None:
        for one in self.landmarks:
            one.forget()
        metrics.LOSSES.inc()
        self._log.error("data_loss", lost=keys.META, reason="Redis came back empty; it was claimed anew")

"""Checks whether Redis can keep what a 200 promises: on every new connection, and every two seconds.

While Redis is unhealthy, requests get 503 with the reason as its code, but readiness stays: all replicas share that
Redis, and an empty endpoint list would only hide the reason. A check does what a post does: it stores a dummy event and
queries whether it is on disk. Costs Redis one INFO, one CONFIG GET, reads of small hashes and a group commit.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from ..shared import aof_replay, clock, log, memory, output, server
from ..shared.backoff import Reconnect
from ..shared.connection import FAULTS, Execute, Redis, leave_server
from ..shared.fault import Fault, UnhealthyError, fault_of, judge
from ..shared.fsync import UNOBSERVED, Fsync
from ..shared.keys import Keys
from ..shared.layout import OlderLayoutError
from ..shared.pause import pause
from ..shared.server import Server
from ..shared.settings import ConfigError
from . import metrics
from .landmarks import Landmarks
from .redis_clock import RedisClock
from .rehearsal import rehearse

INTERVAL_S: Final = 2.0


class RedisHealth:
    """Keeps `fault` up to date: None while Redis is healthy."""

    def __init__(self, durability: str, shards: int, unsafe: bool, days: int = 5) -> None:
        self._durability = durability
        self._shards = shards
        self._unsafe = unsafe
        self._days = days
        self._fsync = Fsync()
        self._clock = RedisClock()
        self._log = log.get("ingest.redis_health")
        self._suspected = asyncio.Event()
        self._is_known = False
        self.landmarks = [Landmarks(Keys(shard), days) for shard in range(shards)]
        self._run_id = ""
        self._unexamined: dict[str, str] | None = None
        self.memory_used = 0.0
        """Share of Redis' memory in use at the last check."""
        self.was_healthy = asyncio.Event()
        """Set when Redis is healthy for the first time: the program is ready from then on."""
        self.was_seen = asyncio.Event()
        """Set when the first check has ended, with any result."""
        self.fault: Fault | None = Fault("queue_unavailable", "not connected yet")

    async def on_connect(self, execute: Execute) -> None:
        """For `connect(on_connect=…)`: no command goes to an unhealthy server. Raises UnhealthyError."""
        for landmarks in self.landmarks:
            landmarks.add_latest()
        try:
            inspected = await server.inspect(execute, self._shards)
        except OlderLayoutError as error:
            # Without a cause, which would end the program at its start: a worker mends this.
            raise UnhealthyError(Fault("queue_unavailable", str(error))) from None
        except ConfigError as error:
            raise UnhealthyError(Fault("queue_unavailable", str(error))) from error
        self._fsync.observe(inspected.info)
        self.memory_used = memory.share_of(inspected.info)
        self._require(judge(inspected, self._durability))
        await rehearse(execute, self._shards, self._days, loads=not self.was_healthy.is_set())
        if self._durability == "fsync" and not self._unsafe:
            self._require(await self._fsync_fault(execute, inspected))
        if inspected.info.get("run_id", "") != self._run_id and inspected.info.get("aof_enabled") == "1":
            self._run_id, self._unexamined = inspected.info.get("run_id", ""), inspected.info
        if inspected.new_shards and self._is_known:
            self._report_loss(inspected.new_shards)
        self._is_known = True

    def _require(self, fault: Fault | None) -> None:
        if fault is not None and not (self._unsafe and fault.code == "not_durable"):
            raise UnhealthyError(fault)

    async def _fsync_fault(self, execute: Execute, inspected: Server) -> Fault | None:
        was_observed = self._fsync.is_observed
        fault = await self._fsync.fault(execute, inspected.info)
        if was_observed and not self._fsync.is_observed:
            effect = "durability is judged by Redis' settings alone"
            self._log.warning("fsync_not_observed", reason=UNOBSERVED, effect=effect)
        return fault

    def mark_suspect(self, fault: Fault) -> None:
        """A command failed: answer 503 until the next check succeeds, and check soon."""
        self._set(fault)
        self._suspected.set()

    async def run(self, client: Redis) -> None:
        """Check every two seconds, sooner after a failure. Raises ConfigError if the first server is a wrong one."""
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
            await self._report_gaps(client.execute_command)
            await self._report_unsafe_restart(client.execute_command)
        except UnhealthyError as error:
            if isinstance(error.__cause__, ConfigError) and not self.was_healthy.is_set():
                raise error.__cause__ from None
            leave_server(client)  # the address may resolve to another server by now
            return error.fault
        except FAULTS as error:
            return fault_of(error)
        return None

    async def _report_gaps(self, execute: Execute) -> None:
        """Report events that Redis has lost although it did not come back empty."""
        gaps = [gap for landmarks in self.landmarks if (gap := await landmarks.gap(execute)) is not None]
        if gaps:
            since_ms, until_ms = min(gap.since_ms for gap in gaps), max(gap.until_ms for gap in gaps)
            reason = "Redis came back with older data: some or all events stored in between are lost"
            between = [output.moment(since_ms) if since_ms else "unknown", output.moment(until_ms)]
            metrics.LOSSES.inc()
            self._log.error("data_loss", lost="events", between=between, reason=reason)

    async def _report_unsafe_restart(self, execute: Execute) -> None:
        """Report, once for each server, whether its next restart would lose its data."""
        info, self._unexamined = self._unexamined, None
        for finding in await aof_replay.examine(execute, info) if info else ():
            level = self._log.error if finding.exit_code else self._log.warning
            level("restart_unsafe", code=finding.code, reason=finding.problem, action=finding.action)

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

    def _report_loss(self, shards: Sequence[int]) -> None:
        for shard in shards:
            self.landmarks[shard].forget()
        metrics.LOSSES.inc()
        lost = [Keys(shard).meta for shard in shards]
        self._log.error("data_loss", lost=lost, reason="Redis came back empty; its layout was written again")

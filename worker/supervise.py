"""The life cycle of hookbus-worker: connect, join, read; `shutdown` has both ways in which it ends."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Final

from ..shared import log
from ..shared.address import redacted
from ..shared.command import Stopping
from ..shared.connection import FAULTS
from ..shared.keys import HOME, RESERVED, Keys
from ..shared.pause import pause
from ..shared.process_name import new_name
from . import connections, source_names
from .consumer import Consumer
from .crew import CrashError, Crew, Duty
from .duties.abandoned import AbandonedGroups
from .duties.chores import Chores
from .duties.circuit import Circuit
from .duties.circuits import Circuits
from .duties.dead_retention import DeadRetention
from .duties.give_back import GiveBack
from .duties.look import Lookout
from .duties.relist import Relister
from .duties.running_now import RunningNow
from .duties.statistics import Statistics
from .duties.trim import Trimmer
from .gauges import expose
from .group_runner import GroupRunner, ProcessContext
from .lifespans import CLOSE_S, Lifespans
from .migration.migrate import inspect
from .pipeline.process import Caller
from .pipeline.routes import Group, Route
from .pipeline.slots import Slots
from .pipeline.subscriber import Subscriber
from .pipeline.unusable_keys import UnusableKeys
from .quarantine.launch import Launch
from .quarantine.quarantine import Quarantine
from .settings import WorkerSettings
from .shutdown import FINISH_S, STOP_S, Shutdown
from .watchdog import stall_reason, unready_reason

WATCH_S: Final = 1.0
"""Between two checks of the liveness thread: well before its last renewal expires."""


class Worker:
    """One worker process for some groups. `only` is a pattern that limits the types, "" for no limit. Without `launch`
    it has no quarantine, and leaves suspects to other workers."""

    def __init__(
        self,
        settings: WorkerSettings,
        groups: Sequence[Group],
        only: str,
        stopping: Stopping,
        launch: Launch | None = None,
    ) -> None:
        self._settings = settings
        self._stopping = stopping
        self._groups = groups
        self._launch = launch
        self._lifespans = Lifespans(groups, owns_process=launch is not None)
        self._consumer = consumer = Consumer(
            new_name(), settings, groups, only, stopping, self._parked, has_quarantine=launch is not None
        )
        self._process = self._context(launch)
        self._runners = {
            (shard, group.name): GroupRunner(group, shard, self._process)
            for shard in consumer.shards
            for group in groups
        }
        self._readers = {place: runner.reader for place, runner in self._runners.items()}
        self._subscribers = list(self._process.subscribers.values())
        running_now = RunningNow(consumer.name, self._subscribers)
        consumer.liveness.on_renewed = running_now.publish
        names = [group.name for group in groups if not group.name.startswith(RESERVED)]
        self._statistics = Statistics(consumer.client, names, running_now.room, stopping)
        expose(self._subscribers, list(self._readers.values()))
        self._is_reading = False
        self._stopping_since: float | None = None
        self._log = log.get("worker")

    def _context(self, launch: Launch | None) -> ProcessContext:
        consumer = self._consumer
        routes = [route for group in self._groups for route in group.routes]
        unusable_keys = UnusableKeys()
        lookouts = {keys: Lookout(consumer.client, keys, unusable_keys, self._stopping) for keys in consumer.shards}
        circuits = Circuits(consumer.client, lookouts[HOME], consumer.shards, routes)
        quarantine = Quarantine(
            launch=launch,
            client=consumer.client,
            shards=consumer.shards,
            consumer=consumer.name,
            processes=self._settings.quarantine_processes,
        )
        return ProcessContext(
            consumer=consumer,
            quarantine=quarantine,
            circuits=circuits,
            lookouts=lookouts,
            subscribers={
                route: self._subscriber(route, circuit, quarantine) for route, circuit in circuits.by_route.items()
            },
            unusable_keys=unusable_keys,
        )

    def _subscriber(self, route: Route, circuit: Circuit, quarantine: Quarantine) -> Subscriber:
        return Subscriber(
            route=route,
            caller=Caller(route, route.concurrency),
            slots=Slots(route.concurrency, circuit.circuit_gate),
            outcome_writer=self._consumer.outcome_writer,
            observe=circuit.observe,
            stopping=self._stopping,
            divert=quarantine.takes,
        )

    def _chores(self) -> list[Duty]:
        """What serves the whole bus, and the retention of dead letters. None in `verify`: it leaves them to others."""
        client, shards = self._consumer.client, self._consumer.shards
        names = [group.name for group in self._groups]
        if all(name.startswith(RESERVED) for name in names):
            return []
        chores = Chores(client, self._consumer.name, shards, self._stopping)
        return [
            chores,
            *(Trimmer(client, shard, chores, self._stopping, self._settings) for shard in shards),
            *(Relister(client, shard, chores, self._stopping) for shard in shards),
            AbandonedGroups(client, shards, chores, self._stopping),
            DeadRetention(client, shards, names, self._stopping, self._settings),
        ]

    async def run(self) -> None:
        """Run until stopping, then shut down in order. Raises ConfigError, FailedError."""
        connections.make_room(self._groups, self._settings.shards)
        try:
            if await self._lifespans.open(self._stopping) and await self._consumer.connected(self._join):
                await self._work()
        finally:
            await self._lifespans.close(min(CLOSE_S, max(1.0, self._left_s(STOP_S))))
            for runner in self._runners.values():
                await runner.close()
            await self._consumer.close()
        self._log.info("stopped", consumer=self._consumer.name)

    def has_leftovers(self) -> bool:
        """After the end: whether handlers or lifespans still run that would keep the process alive."""
        handlers = any(subscriber.has_leftovers() for subscriber in self._subscribers)
        return handlers or self._lifespans.has_leftovers()

    async def _join(self) -> None:
        """Migrate the data if need be, and join the groups. Raises ConfigError, FailedError, RedisError, OSError."""
        await inspect(self._consumer.client, self._settings.shards)
        for lookout in self._process.lookouts.values():
            await lookout.look()
        for runner in self._runners.values():
            await runner.join()

    async def _work(self) -> None:
        self._log.info(
            "working",
            consumer=self._consumer.name,
            groups={group.name: [route.pattern for route in group.routes] for group in self._groups},
            redis=redacted(self._settings.redis_url),
        )
        await source_names.warn(self._consumer.client, self._groups, self._launch)
        crew = Crew()
        shutdown = Shutdown(self._consumer, self._subscribers, self._release, self._retire)
        try:
            crew.start_background(self._consumer.outcome_writer.run(), "OutcomeWriter")
            crew.start_background(self._process.quarantine.run(), "Quarantine")
            crew.start_background(self._lifespans.run(), "lifespans")
            self._start_duties(crew)
            self._is_reading = True
            await crew.finished()
            interrupted = await self._finished(shutdown)
            await crew.end()
            await self._statistics.add()  # what ended during the drain
            await shutdown.leave(interrupted)
        except BaseException:
            self._is_reading = False
            crew.cancel()
            await shutdown.die()
            raise

    async def _finished(self, shutdown: Shutdown) -> int:
        """Wait for the deliveries in hand. Returns how many were cancelled."""
        # The quarantine processes stop at the same time, by the same limits.
        children = asyncio.create_task(self._process.quarantine.ended(self._left_s() + FINISH_S))
        try:
            interrupted = await shutdown.finish(self._left_s())
            await children
        finally:
            children.cancel()
        return interrupted

    def _start_duties(self, crew: Crew) -> None:
        give_back = GiveBack(
            client=self._consumer.client,
            consumer=self._consumer.name,
            subscribers=self._subscribers,
            readers=self._readers,
            stopping=self._stopping,
        )
        duties: list[Duty] = [give_back, self._process.circuits, self._statistics, *self._chores()]
        duties += [duty for runner in self._runners.values() for duty in runner.duties()]
        duties += self._process.lookouts.values()
        for duty in duties:
            crew.start(duty.run(), type(duty).__name__)
        crew.start(self._wake_at_stop(), "stop")
        crew.start(self._watch_liveness(), "Liveness")

    async def _wake_at_stop(self) -> None:
        await self._stopping.wait()
        self._stopping_since = time.monotonic()
        self._process.quarantine.finish()
        self._log.info("draining", running=self._running())
        for lookout in self._process.lookouts.values():
            lookout.hurry()  # whoever waits for a look ends with it
        with contextlib.suppress(*FAULTS):  # without Redis there is no read to end
            for reader in self._readers.values():
                await reader.wake()

    async def _watch_liveness(self) -> None:
        while not self._stopping.is_set():
            if self._consumer.liveness.has_failed():
                raise CrashError("the liveness thread ended: other workers would take over the deliveries of this one")
            await pause(self._stopping, WATCH_S)

    async def _release(self) -> int:
        return sum([await runner.release() for runner in self._runners.values()])

    async def _retire(self) -> None:
        for runner in self._runners.values():
            await runner.leave()

    def _left_s(self, beyond_s: float = 0.0) -> float:
        """What is left of the grace period and the time beyond it."""
        now_s = time.monotonic()
        return max(0.0, (self._stopping_since or now_s) + self._settings.grace_period_s + beyond_s - now_s)

    def _running(self) -> int:
        return sum(subscriber.slots.running for subscriber in self._subscribers)

    def _parked(self, shard: Keys, group: str, due_ms: int) -> None:
        self._runners[shard, group].promoter.expect(due_ms)

    def readiness(self) -> str:
        """ "" if the worker is ready, else the reason why it is not."""
        if self._stopping.is_set():
            return "draining"
        if not self._lifespans.are_open:
            return "a lifespan is not open"
        if not self._is_reading:
            return "not connected to Redis yet"
        consumer = self._consumer
        failing_s, lifeless_s = consumer.outcome_writer.failing_s(), consumer.liveness.silent_s()
        return unready_reason(consumer.tick.age_s(), self._silent_s(), failing_s, lifeless_s)

    def stall_reason(self) -> str:
        """ "" if the worker makes progress, else why it has to be ended."""
        return stall_reason(self._consumer.tick.age_s(), self._silent_s(), self._consumer.longest_block_s)

    def _silent_s(self) -> list[float]:
        return [reader.silent_s() for reader in self._readers.values()]

    def status(self) -> str:
        """One line for people."""
        names = ", ".join(group.name for group in self._groups)
        state = f"not ready: {reason}" if (reason := self.readiness()) else "working"
        return f"{state}; {self._running()} running for {names}"

"""Runs the suspects of a worker in quarantine: child processes, each with one delivery in hand.

The worker goes on meanwhile: a suspect takes no slot of its subscription. Children start when there is a suspect, and
end after a minute without one. Most suspects were only beside the delivery that kills, so several children run side by
side; a suspect of which a child died runs alone, in a new child. The child takes the delivery over under a name of its
own, so its death is recorded with that delivery alone, by whoever takes over from it (`takeover.lua`). If this process
dies, its children finish what they run and end; suspects that waited here are pending, and are taken over.

A worker without a `Launch`, such as one inside another program, has no children and claims no suspects.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Final

from ...shared import log, scripts
from ...shared.backoff import Reconnect
from ...shared.connection import FAULTS, Redis
from ...shared.keys import Keys
from ...shared.lazy_task import lazy_task
from ...shared.pause import pause
from ..api.delivery import InFlight
from ..inventory import expiries
from ..pipeline import outcome as outcomes
from ..pipeline.cause import describe
from ..pipeline.named import named
from ..pipeline.subscriber import Subscriber
from .child import Child, ChildEndedError
from .launch import Launch
from .messages import Order
from .suspect import MAX_DEATHS, Suspect

IDLE_S: Final = 60.0
"""How long a child waits for another suspect: takeovers after one death come within seconds."""
PER_CHILD: Final = 4
"""Suspects that wait here or run, for each child: enough for quick handlers until the takeover looks again, a second
later, and few enough that the other workers of the group get a share of slow ones."""
START_CAP_S: Final = 60.0
"""Longest wait before another child is started after one that failed: each is a whole Python that imports the apps."""
NAMED: Final = 10
"""How many of the suspects that wait for a child a line of log names."""
RECHECK_S: Final = 1.0
"""Between two looks at pauses and breakers that hold suspects back, and at idle children."""


class Quarantine:
    """The suspects of one process."""

    def __init__(
        self,
        *,
        launch: Launch | None,
        client: Redis,
        shards: Sequence[Keys],
        consumer: str,
        processes: int,
    ) -> None:
        self._launch = launch
        self._client = client
        self._shards = shards
        self._consumer = consumer
        self._processes = processes
        self._waiting: list[Suspect] = []
        self._running: dict[asyncio.Task[None], Suspect] = {}
        self._children: dict[Child, float | None] = {}
        """All children → since when each is idle (monotonic), None while it is not."""
        self._ending: list[Child] = []
        self._changed = asyncio.Event()
        self._is_finishing = False
        self._reconnect = Reconnect(START_CAP_S)
        self._start_at = 0.0
        self._log = log.get("worker.quarantine")

    def room(self) -> int:
        """How many more suspects this process should claim. Those that are held back do not count."""
        if self._launch is None or self._is_finishing or time.monotonic() < self._start_at:
            return 0
        waiting = sum(not suspect.is_held_back for suspect in self._waiting)
        return max(0, PER_CHILD * self._processes - waiting - len(self._running))

    def takes(self, in_flight: InFlight, subscriber: Subscriber) -> bool:
        """Take a delivery if it is a suspect. Returns whether it is."""
        if self._launch is None or not in_flight.is_suspect:
            return False
        held = subscriber.find((in_flight.stream, in_flight.entry_id))
        if held is not None and held.times_delivered >= in_flight.times_delivered and held.is_same_event(in_flight):
            return True  # else it was taken over from a child whose end is still to be noticed here
        if len(in_flight.deaths) >= MAX_DEATHS:
            subscriber.settle_unrun(in_flight, outcomes.worker_lost(in_flight.deaths))
            return True
        subscriber.slots.quarantine(in_flight)
        self._waiting.append(Suspect(in_flight, subscriber))
        self._changed.set()
        return True

    async def run(self) -> None:
        """Run suspects until cancelled; then tell the children to end. Suspects that did not run stay pending."""
        try:
            while True:
                self._changed.clear()
                self._dismiss()
                while (suspect := self._next()) is not None:
                    self._dispatch(suspect)
                await pause(self._changed, RECHECK_S)
        finally:
            self.finish()
            for task in self._running:
                task.cancel()

    def finish(self) -> None:
        """Start no more suspects, and tell the children to finish what they run and end."""
        self._is_finishing = True
        for child in self._children:
            child.drain()

    async def ended(self, within_s: float) -> None:
        """After `finish`: wait for the answers and the end of the children."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await asyncio.gather(*self._running, return_exceptions=True)
                for child in (*self._children, *self._ending):
                    await child.ended()

    def _next(self) -> Suspect | None:
        """The suspect to run now, if any: in the order in which they came, past those that are held back."""
        if self._is_finishing or time.monotonic() < self._start_at or len(self._running) >= self._processes:
            return None
        if any(suspect.is_blamed for suspect in self._running.values()):
            return None
        suspect = next((suspect for suspect in self._waiting if not suspect.is_held_back), None)
        return None if suspect is not None and suspect.is_blamed and self._running else suspect

    def _dispatch(self, suspect: Suspect) -> None:
        self._waiting.remove(suspect)
        task = lazy_task(self._run(suspect))
        self._running[task] = suspect
        task.add_done_callback(self._end)

    def _end(self, task: "asyncio.Task[None]") -> None:
        del self._running[task]
        self._changed.set()

    async def _run(self, suspect: Suspect) -> None:
        child: Child | None = None
        try:
            child = await self._child(fresh=suspect.is_blamed)
            if child is None or suspect.is_held_back or self._is_finishing:  # things change while a child starts
                self._waiting.insert(0, suspect)
                if child is not None:
                    self._children[child] = time.monotonic()
            else:
                await self._run_in(child, suspect)
        except Exception as error:  # noqa: BLE001 - a bug of hookbus, after which neither must be taken for busy
            cause = describe(error)
            fields = {**named(suspect.in_flight.delivery), "error": str(cause), "traceback": cause.traceback}
            self._log.error("attempt_crashed", **fields)
            if child in self._children:
                self._forget(child)
            suspect.subscriber.slots.leave_quarantine(suspect.in_flight)

    async def _run_in(self, child: Child, suspect: Suspect) -> None:
        slots, in_flight = suspect.subscriber.slots, suspect.in_flight
        slots.begin()
        logger = self._log.bind(**named(in_flight.delivery), consumer=child.consumer)
        logger.info("quarantined", deaths=len(in_flight.deaths))
        try:
            answer = await child.run(Order.of(in_flight, self._consumer))
        except ChildEndedError as error:
            self._forget(child)
            await self._bury(child)
            if not self._is_finishing:
                logger.warning("quarantine_ended", reason=str(error))
        else:
            if (outcome := answer.outcome) is not None:
                suspect.subscriber.count(in_flight.delivery, outcome, answer.duration_s)
            self._children[child] = time.monotonic()
        # The reader finds it again if it is still pending here; the takeover if it is pending for the child.
        slots.leave_quarantine(in_flight)

    async def _bury(self, child: Child) -> None:
        """Delete the liveness key of a child whose process has ended, so that its suspect is taken over at once."""
        if child.has_ended():
            with contextlib.suppress(*FAULTS):  # else the key expires
                calls = [expiries.lapse(keys, child.consumer) for keys in self._shards]
                await scripts.run_all(self._client, calls)

    async def _child(self, *, fresh: bool) -> Child | None:
        """A child for a suspect, a fresh one if it must have run none before. None if none could be started."""
        idle = next((child for child, since in self._children.items() if since is not None), None)
        if idle is not None and not idle.has_ended() and not (fresh and idle.runs):
            self._children[idle] = None
            return idle
        if idle is not None:
            self._forget(idle)
        assert self._launch is not None
        child = Child(self._launch)
        self._children[child] = None
        try:
            await child.start()
        except BaseException as error:
            self._forget(child)
            if not isinstance(error, OSError | ChildEndedError):
                raise
            wait_s = self._reconnect.next_s()
            self._start_at = time.monotonic() + wait_s
            held = [*self._running.values(), *self._waiting]
            self._log.error(
                "quarantine_unavailable",
                reason=str(error),
                wait_s=round(wait_s, 2),
                suspects=[suspect.in_flight.delivery.webhook_id for suspect in held[:NAMED]],
                effect="they wait here, and other workers can't take them while this one lives",
            )
            return None
        self._reconnect.reset()
        return child

    def _dismiss(self) -> None:
        """End the children that were idle for long enough, and forget those that have ended."""
        now = time.monotonic()
        for child, idle_since in list(self._children.items()):
            if idle_since is not None and (now - idle_since >= IDLE_S or child.has_ended()):
                self._forget(child)
        self._ending = [child for child in self._ending if not child.has_ended()]

    def _forget(self, child: Child) -> None:
        """Give a child up: it ends by itself, unless it has ended."""
        child.close()
        del self._children[child]
        self._ending.append(child)

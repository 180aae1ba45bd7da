"""Runs one subscription in one process, for all shards: its slots, and the tasks that run its deliveries.

A delivery passes `read → process → settle`; this module connects the three. What is read or taken over and has no place
waits here for a moment; `duties.give_back` gives it to the other workers.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any, Protocol

from ...shared import log
from ...shared.lazy_task import lazy_task
from ..api.delivery import Delivery, InFlight
from ..api.unrun import UndecodableError
from .deadline import CANCEL_S
from .measures import Measures
from .named import named
from .outcome import SKIP, DeadLetter, Outcome, Park, foreign
from .overdue import where
from .places import Places
from .process import Caller, failed, process
from .routes import Route
from .slots import DeliveryId, Slots
from .surplus import Surplus


class Settles(Protocol):
    """Writes outcomes, as `settle.OutcomeWriter` does, and frees their slots once they are written."""

    def settle(self, in_flight: InFlight, outcome: Outcome, slots: Slots, duration_s: float) -> None:
        """Queue an outcome to be written."""


def _never(_in_flight: InFlight, _subscriber: object) -> bool:
    return False


class Subscriber:
    """Runs the deliveries of one route. `observe` is called with every outcome and its event type. `divert` may take a
    delivery that was delivered before, to run it elsewhere: it returns whether it did."""

    def __init__(
        self,
        *,
        route: Route,
        caller: Caller,
        slots: Slots,
        outcome_writer: Settles,
        observe: Callable[[Outcome, str], None],
        stopping: asyncio.Event,
        divert: Callable[[InFlight, "Subscriber"], bool] = _never,
    ) -> None:
        self._observe = observe
        self._divert = divert
        self._stopping = stopping
        self.route = route
        self.slots = slots
        self.surplus = Surplus()
        self.places = Places(self.free, slots.notify)
        self.paused_streams: set[str] = set()
        """Deliveries of these streams do not begin."""
        self._owed_shards: set[int] = set()
        self._caller = caller
        self._outcome_writer = outcome_writer
        self._loop = asyncio.get_running_loop()
        self._attempts: dict[asyncio.Task[Any], InFlight] = {}
        caller.deadlines.on_abandoned = self._abandon
        caller.failure_hook.on_end = slots.notify
        self._is_closing = False
        self._ended = asyncio.Event()
        """Set at a stop once no attempt runs; overdue handlers may still run."""
        self.measures = Measures(route.group, route.pattern)
        slots.subscribe(self._begin_surplus)

    def free(self) -> int:
        """How many deliveries may begin beyond those that wait already."""
        return self._free_slots() - len(self.surplus)

    def accept(self, in_flight: InFlight) -> None:
        """Begin a delivery that was read or taken over, at once or when a slot is free; nothing if it is known."""
        if in_flight.times_delivered > 1 and self._divert(in_flight, self):
            return
        held = self.find((in_flight.stream, in_flight.entry_id))
        if held is not None and held.is_same_event(in_flight):
            return
        if not self.surplus and in_flight.stream not in self.paused_streams and self._has_slot():
            self.begin(in_flight)
            return
        self.surplus.add(in_flight, time.monotonic())
        self._begin_surplus()

    def find(self, delivery_id: DeliveryId) -> InFlight | None:
        """The delivery with an entry id that is in flight, or waits for a slot."""
        return self.slots.find(delivery_id) or self.surplus.find(delivery_id)

    @property
    def is_owed(self) -> bool:
        """Whether other consumers left deliveries for the next places: those are older than what a read would bring."""
        return bool(self._owed_shards)

    def owe(self, shard: int, *, is_owed: bool) -> None:
        """In this shard there are such deliveries, or no more."""
        if is_owed:
            self._owed_shards.add(shard)
        elif shard in self._owed_shards:
            self._owed_shards.discard(shard)
            self.slots.notify()

    def is_paused(self, in_flight: InFlight) -> bool:
        """Whether the type of a delivery is paused."""
        return in_flight.stream in self.paused_streams

    def _has_slot(self) -> bool:
        return not self._stopping.is_set() and self._free_slots() > 0

    def _free_slots(self) -> int:
        return self.slots.free(self.overdue() + self._caller.failure_hook.running)

    def _begin_surplus(self) -> None:
        while self.surplus and self._has_slot() and (in_flight := self.surplus.pop(self.paused_streams)):
            self.begin(in_flight)

    def begin(self, in_flight: InFlight) -> None:
        """Run a delivery in a task of its own."""
        self.slots.take(in_flight)
        self.slots.begin()
        self._attempts[lazy_task(self._attempt(in_flight), loop=self._loop)] = in_flight

    def settle(self, in_flight: InFlight, outcome: Outcome, duration_s: float = 0.0) -> None:
        """Count the outcome of a delivery and pass it on to be written."""
        self._count(in_flight.delivery, outcome)
        self._outcome_writer.settle(in_flight, outcome, self.slots, duration_s)

    def settle_unrun(self, in_flight: InFlight, outcome: Outcome) -> None:
        """Settle a delivery that has no slot, and that no handler will run for."""
        self.slots.take(in_flight)
        self.slots.leave()
        self.settle(in_flight, outcome)

    def count(self, delivery: Delivery, outcome: Outcome, duration_s: float) -> None:
        """Count an attempt that ran, and was settled, in a quarantine process."""
        self.measures.of(delivery.type).seconds.observe(duration_s)
        self._count(delivery, outcome)

    def _count(self, delivery: Delivery, outcome: Outcome) -> None:
        self.measures.settled(delivery.type, outcome, delivery.attempt)
        self._observe(outcome, delivery.type)

    async def _attempt(self, in_flight: InFlight) -> None:
        """Run one attempt and settle it. A cancelled one stays pending; an abandoned one is settled already."""
        began = time.perf_counter()
        is_ours = False
        try:
            outcome = (
                self._caller.failed(in_flight.delivery, UndecodableError(in_flight.flaw), foreign(in_flight.flaw))
                if in_flight.flaw
                else await process(in_flight.delivery, self.route, self._caller)
            )
        except asyncio.CancelledError as error:
            if self._is_closing:
                raise
            # Only the handler can have cancelled its task. Without an outcome the delivery would be pending for ever.
            outcome = self._failed(in_flight.delivery, error, "the handler cancelled its own task")
        except Exception as error:  # noqa: BLE001 - a bug of hookbus, after which the delivery must still be settled
            outcome = self._crashed(in_flight.delivery, error)
        finally:
            is_ours = self._leave(asyncio.current_task(self._loop))
        if is_ours:
            self._settle_attempt(in_flight, outcome, time.perf_counter() - began)

    def _leave(self, task: "asyncio.Task[Any] | None") -> bool:
        """An attempt has ended or is abandoned. False for one that was abandoned before and has now ended."""
        assert task is not None
        if self._attempts.pop(task, None) is None:
            self._caller.overdue.end()
            self.slots.notify()
            return False
        self.slots.leave()
        if self._is_closing and not self._attempts:
            self._ended.set()
        return True

    def _settle_attempt(self, in_flight: InFlight, outcome: Outcome, duration_s: float) -> None:
        if outcome is not SKIP:
            self.measures.of(in_flight.delivery.type).seconds.observe(duration_s)
        self.settle(in_flight, outcome, duration_s)

    def _abandon(self, task: "asyncio.Task[object]") -> None:
        """Settle an attempt as failed whose handler runs on after its timeout and cancellation. It keeps its slot."""
        if task not in self._attempts:
            return
        in_flight = self._attempts[task]
        self._caller.overdue.begin(in_flight.delivery)
        self._leave(task)
        error = TimeoutError().with_traceback(where(task.get_coro()))
        text = f"timed out after {self.route.timeout_s:g} s, still running {CANCEL_S:g} s after it was cancelled"
        outcome = self._failed(in_flight.delivery, error, text)
        self._settle_attempt(in_flight, outcome, self.route.timeout_s + CANCEL_S)

    def _crashed(self, delivery: Delivery, error: Exception) -> Outcome:
        """Log an exception that escaped from `process`, which is a bug, and retry the delivery as after any failure."""
        outcome = self._failed(delivery, error)
        cause = outcome.cause
        logger = log.get("worker.subscriber")
        logger.error("attempt_crashed", **named(delivery), error=str(cause), traceback=cause.traceback)
        return outcome

    def _failed(self, delivery: Delivery, error: BaseException, text: str = "") -> Park | DeadLetter:
        return self._caller.failed(delivery, error, failed(error, delivery, self.route, text))

    def oldest(self, count: int) -> list[tuple[InFlight, float]]:
        """The deliveries whose handlers run longest, as `Deadlines.oldest`."""
        began = self._caller.deadlines.oldest(count)
        held = [(self._attempts.get(task), at_s) for task, at_s in began]
        return [(in_flight, at_s) for in_flight, at_s in held if in_flight is not None]

    async def reported(self) -> None:
        """Wait until the app has been told of all failures."""
        while tasks := self._caller.failure_hook.tasks:
            await asyncio.wait(tasks)

    def overdue(self) -> int:
        """Number of handlers that run on although their attempts have ended."""
        return self._caller.overdue.count

    async def finish(self, grace_s: float) -> int:
        """Wait up to `grace_s` for the running deliveries, then cancel the rest. Returns how many were cancelled."""
        self._is_closing = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                if self._attempts:
                    await self._ended.wait()
                await self.reported()
        interrupted = len(self._attempts)
        unfinished = [*self._attempts, *self._caller.failure_hook.tasks]
        self._caller.failure_hook.stop()
        for task in unfinished:
            task.cancel()
        if unfinished:
            await asyncio.wait(unfinished, timeout=CANCEL_S)
        return interrupted

    def has_leftovers(self) -> bool:
        """Whether code of the user runs on: a coroutine despite its cancellation, or a thread, which has none."""
        outlived = self.overdue() + self._caller.failure_hook.running
        return outlived > 0 or any(not task.done() for task in self._attempts)

    def close(self) -> None:
        """Start no more threads."""
        self._caller.close()

"""One subscription at work in one shard: its reader, its slots, and the tasks that run its deliveries.

A delivery passes `read → process → settle`; this file is the way between them.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from shared import log
from shared.keys import Keys
from worker.delivery import Delivery, Held
from worker.measures import Measures
from worker.outcome import Outcome, failed, foreign
from worker.process import Caller, process
from worker.routes import Route
from worker.settle import Settler
from worker.slots import Gate, Slots

CANCEL_S: Final = 2.0
"""How long a cancelled handler may take to clean up; one that swallows its cancellation is left behind."""


class Subscriber:
    """Runs the deliveries of one route. `gate` is the process's, see `suspects`; `observe` is told every outcome."""

    def __init__(
        self,
        route: Route,
        keys: Keys,
        caller: Caller,
        slots: Slots,
        gate: Gate,
        settler: Settler,
        observe: Callable[[Outcome, str], None],
    ) -> None:
        self._observe = observe
        self.route = route
        self.slots = slots
        self._keys = keys
        self._caller = caller
        self._gate = gate
        self._settler = settler
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False
        self.measures = Measures(route.group, route.pattern)

    def begin(self, held: Held) -> None:
        """Run a delivery in a task of its own."""
        self.slots.take(held)
        self.slots.begin()
        self._gate.enter()
        self._tasks.add(self._loop.create_task(self._deliver(held)))

    def begin_alone(self, held: Held) -> "asyncio.Task[None]":
        """Run a delivery that has its slot, and passes the closed gate."""
        self.slots.begin()
        task = self._loop.create_task(self.attempt(held))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def settle(self, held: Held, outcome: Outcome, duration_s: float = 0.0) -> None:
        """Have the outcome of a delivery written."""
        self.measures.settled(held.delivery.type, outcome, held.delivery.attempt)
        self._observe(outcome, held.delivery.type)
        self._settler.settle(held, outcome, self.slots, self._keys, duration_s)

    async def attempt(self, held: Held) -> None:
        """Run one attempt and settle it; the caller has taken a slot for it. Cancelled, it stays pending."""
        began = time.perf_counter()
        try:
            outcome = foreign(held.flaw) if held.flaw else await process(held.delivery, self.route, self._caller)
        except asyncio.CancelledError as error:
            if self._is_closing:
                raise
            # Nobody but the handler did that, by way of its task; left alone, the delivery would be pending for ever.
            outcome = failed(error, held.delivery.attempt, self.route.retry, "the handler cancelled its own task")
        except Exception as error:  # noqa: BLE001 - a fault of ours, which must not leave the delivery to nobody
            outcome = self._crashed(held.delivery, error)
        finally:
            self.slots.leave()
        duration_s = time.perf_counter() - began
        self.measures.of(held.delivery.type).seconds.observe(duration_s)
        self.settle(held, outcome, duration_s)

    def _crashed(self, delivery: Delivery, error: Exception) -> Outcome:
        """What got out of `process`, which lets nothing out: said at once, and tried again as any failure."""
        outcome = failed(error, delivery.attempt, self.route.retry)
        log.get("worker.subscriber").error(
            "attempt_crashed",
            webhook_id=delivery.webhook_id,
            type=delivery.type,
            source=delivery.source,
            group=delivery.group,
            attempt=delivery.attempt,
            error=str(outcome.cause),
            traceback=outcome.cause.traceback,
        )
        return outcome

    def overdue(self) -> int:
        """Threads that outlived their timeout."""
        return self._caller.overdue

    async def finish(self, grace_s: float) -> int:
        """Wait for the running deliveries, then cancel the rest; how many were cancelled."""
        self._is_closing = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=CANCEL_S)
        return len(left)

    def has_leftovers(self) -> bool:
        """Whether a handler runs on although it was cancelled, or is a thread, which can't be."""
        return self.overdue() > 0 or any(not task.done() for task in self._tasks)

    def close(self) -> None:
        """Start no more threads."""
        self._caller.close()

    async def _deliver(self, held: Held) -> None:
        try:
            await self.attempt(held)
        finally:
            self._gate.leave()
            self._tasks.discard(asyncio.current_task(self._loop))

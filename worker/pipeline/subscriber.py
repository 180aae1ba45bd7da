"""One subscription at work in one shard: its reader, its slots, and the tasks that run its deliveries.

A delivery passes `read → process → settle`; this file is the way between them.
"""

import asyncio
import contextlib
import functools
import time
from collections.abc import Callable
from typing import Any

from ...shared import log
from ...shared.keys import Keys
from ..api.delivery import Delivery, InFlight
from .deadline import CANCEL_S
from .measures import Measures
from .outcome import Outcome, failed, foreign
from .overdue import where
from .process import Caller, process, spent_s
from .routes import Route
from .settle import OutcomeWriter
from .slots import Gate, Slots


class Subscriber:
    """Runs the deliveries of one route. `gate` is the process's, see `suspects`; `observe` is told every outcome."""

    def __init__(
        self,
        *,
        route: Route,
        keys: Keys,
        caller: Caller,
        slots: Slots,
        gate: Gate,
        outcome_writer: OutcomeWriter,
        observe: Callable[[Outcome, str], None],
    ) -> None:
        self._observe = observe
        self.route = route
        self.slots = slots
        self._keys = keys
        self._caller = caller
        self._gate = gate
        self._outcome_writer = outcome_writer
        self._loop = asyncio.get_running_loop()
        self._attempts: dict[asyncio.Task[Any], tuple[InFlight, Callable[[], None]]] = {}
        """What runs, and what to call when it has ended."""
        caller.deadlines.given_up = self._give_up
        self._is_closing = False
        self._ended = asyncio.Event()
        """At a stop: nothing runs any more, but for what is overdue."""
        self.measures = Measures(route.group, route.pattern)

    def begin(self, in_flight: InFlight) -> None:
        """Run a delivery in a task of its own."""
        self.slots.take(in_flight)
        self.slots.begin()
        self._gate.enter()
        self._start(in_flight, self._gate.leave)

    def begin_alone(self, in_flight: InFlight) -> "asyncio.Future[None]":
        """Run a delivery that has its slot, and passes the closed gate; done when its attempt has ended."""
        self.slots.begin()
        ended = self._loop.create_future()
        self._start(in_flight, functools.partial(_end, ended))
        return ended

    def _start(self, in_flight: InFlight, left: Callable[[], None]) -> None:
        self._attempts[self._loop.create_task(self._attempt(in_flight))] = (in_flight, left)

    def settle(self, in_flight: InFlight, outcome: Outcome, duration_s: float = 0.0) -> None:
        """Have the outcome of a delivery written."""
        self.measures.settled(in_flight.delivery.type, outcome, in_flight.delivery.attempt)
        self._observe(outcome, in_flight.delivery.type)
        self._outcome_writer.settle(in_flight, outcome, self.slots, self._keys, duration_s)

    async def _attempt(self, in_flight: InFlight) -> None:
        """Run one attempt and settle it. Cancelled, it stays pending; given up, it was settled then."""
        began = time.perf_counter()
        is_ours = False
        try:
            outcome = (
                foreign(in_flight.flaw)
                if in_flight.flaw
                else await process(in_flight.delivery, self.route, self._caller)
            )
        except asyncio.CancelledError as error:
            if self._is_closing:
                raise
            # Nobody but the handler did that, by way of its task; left alone, the delivery would be pending for ever.
            outcome = failed(
                error,
                in_flight.delivery.attempt,
                self.route.retry,
                "the handler cancelled its own task",
                spent_s(in_flight.delivery),
            )
        except Exception as error:  # noqa: BLE001 - a fault of ours, which must not leave the delivery to nobody
            outcome = self._crashed(in_flight.delivery, error)
        finally:
            is_ours = self._leave(asyncio.current_task(self._loop))
        if is_ours:
            self._settle_attempt(in_flight, outcome, time.perf_counter() - began)

    def _leave(self, task: "asyncio.Task[Any] | None") -> bool:
        """An attempt has ended, or is given up. False for one that was given up before, and ends after all."""
        assert task is not None
        known = self._attempts.pop(task, None)
        if known is None:
            self._caller.overdue.end()
            self.slots.changed.set()
            return False
        self.slots.leave()
        known[1]()
        if self._is_closing and not self._attempts:
            self._ended.set()
        return True

    def _settle_attempt(self, in_flight: InFlight, outcome: Outcome, duration_s: float) -> None:
        self.measures.of(in_flight.delivery.type).seconds.observe(duration_s)
        self.settle(in_flight, outcome, duration_s)

    def _give_up(self, task: "asyncio.Task[object]") -> None:
        """A handler goes on although its time is over and it was cancelled: it has failed, and keeps its place."""
        if task not in self._attempts:
            return
        in_flight, _ = self._attempts[task]
        self._caller.overdue.begin(in_flight.delivery)
        self._leave(task)
        error = TimeoutError().with_traceback(where(task.get_coro()))
        text = f"no end after {self.route.timeout_s:g} s, nor {CANCEL_S:g} s after it was cancelled"
        outcome = failed(error, in_flight.delivery.burnt, self.route.retry, text, spent_s(in_flight.delivery))
        self._settle_attempt(in_flight, outcome, self.route.timeout_s + CANCEL_S)

    def _crashed(self, delivery: Delivery, error: Exception) -> Outcome:
        """What got out of `process`, which lets nothing out: said at once, and tried again as any failure."""
        outcome = failed(error, delivery.burnt, self.route.retry, spent_s=spent_s(delivery))
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
        """Handlers that run on although their attempts have ended."""
        return self._caller.overdue.count

    async def finish(self, grace_s: float) -> int:
        """Wait for the running deliveries, then cancel the rest; how many were cancelled."""
        self._is_closing = True
        if self._attempts:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._ended.wait()
        left = list(self._attempts)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=CANCEL_S)
        return len(left)

    def has_leftovers(self) -> bool:
        """Whether a handler runs on although it was cancelled, or is a thread, which can't be."""
        return self.overdue() > 0 or any(not task.done() for task in self._attempts)

    def close(self) -> None:
        """Start no more threads."""
        self._caller.close()


def _end(ended: "asyncio.Future[None]") -> None:
    if not ended.done():
        ended.set_result(None)

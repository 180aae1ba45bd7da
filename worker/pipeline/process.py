"""Runs one attempt: decodes the body, calls the handler, and turns the result into an outcome. Touches no Redis.

Cancellation passes through: the delivery stays pending and is handed over.
"""

import asyncio
import contextvars
import inspect
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ...shared import log
from ...shared.clock import now_ms
from ..api.delivery import Delivery
from . import age, outcome
from .around import surrounded
from .deadline import Deadline, Deadlines
from .outcome import ACK, SKIP, DeadLetter, Outcome, Park
from .overdue import Overdue
from .routes import Route


async def process(delivery: Delivery, route: Route, call: "Caller") -> Outcome:
    """Run one attempt. `call` runs the route's handler, here or in a thread."""
    if route.sources is not None and delivery.source not in route.sources:
        return SKIP
    if route.max_age_s is not None:
        now = now_ms()
        age_s = (now - age.made_at_ms(delivery)) / 1000
        if age_s > route.max_age_s:
            return outcome.expired(age_s, (now - delivery.received_at_ms) / 1000, route.max_age_s)
    try:
        event = route.decoder(delivery.type)(delivery.body)
    except BaseException as error:  # noqa: BLE001 - the user's own struct may raise anything when it is created
        return outcome.undecodable(error)
    deadline = call.deadlines.begin()
    try:
        await call(event, delivery)
    except BaseException as error:
        if issubclass(type(error), GeneratorExit) and _is_abandoned():
            raise
        call.deadlines.end(deadline)
        return _failed(error, delivery, route, deadline)
    call.deadlines.end(deadline)
    return ACK


def _is_abandoned() -> bool:
    """Whether the event loop has ended: its remaining coroutines are then closed with GeneratorExit."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False


def _failed(error: BaseException, delivery: Delivery, route: Route, deadline: Deadline) -> Outcome:
    """The outcome of an exception from a handler. Raises the exception again if it is a cancellation from outside."""
    text = ""
    if issubclass(
        type(error), asyncio.CancelledError
    ):  # isinstance would read an attribute of the object, which may raise
        task = asyncio.current_task()
        if not deadline.has_passed and task is not None and task.cancelling():
            raise error
        text = f"timed out after {route.timeout_s:g} s" if deadline.has_passed else "the handler cancelled itself"
        if deadline.is_sole_reason:
            late = TimeoutError()
            late.__cause__ = error
            error = late
    return failed(error, delivery, route, text)


def failed(error: BaseException, delivery: Delivery, route: Route, message: str = "") -> Park | DeadLetter:
    """The outcome of an exception from a handler of this route, as `outcome.failed`."""
    began_ms = delivery.first_attempt_at_ms  # 0 in the first attempt itself
    spent_s = max(0.0, (now_ms() - began_ms) / 1000) if began_ms else 0.0
    return outcome.failed(error, delivery.counted_attempt, route.retry, message, spent_s)


async def _finish(result: object) -> None:
    """Await a result that a handler only created. Raises TypeError for a generator, which would never run."""
    if inspect.isawaitable(result):
        await result
    elif inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise TypeError(f"the handler returned {result!r}, which never ran")


class Caller:
    """Calls the handler of one route, and what is around it: coroutines here, plain functions in `places` threads.

    A thread cannot be stopped: one that outlives its timeout is `overdue` until it ends.
    """

    def __init__(self, route: Route, places: int) -> None:
        self._route = route
        self._state = route.state
        self._threads = None if route.is_async else ThreadPoolExecutor(places, f"handler-{route.group}")
        self._run = surrounded(route.around, self._handle)
        self.deadlines = Deadlines(route.timeout_s)
        self.overdue = Overdue(route, places)

    def __call__(self, event: object, delivery: Delivery) -> Coroutine[Any, Any, None]:
        """Run the handler once. Log lines of the handler, and of what is around it, carry the delivery's fields."""
        if self._state is not None:
            delivery = self._state.given_to(delivery)
        log.bind_delivery(
            webhook_id=delivery.webhook_id, type=delivery.type, group=delivery.group, attempt=delivery.attempt
        )
        return self._run(event, delivery)

    async def _handle(self, event: object, delivery: Delivery) -> None:
        """The handler alone; its return value is ignored."""
        args = (event, delivery) if self._route.wants_delivery else (event,)
        result = (
            self._route.handler(*args)
            if self._threads is None
            else await self._in_thread(self._threads, args, delivery)
        )
        # A wrapper around a coroutine function may be a plain function: the coroutine that it returns has yet to run.
        if result is not None:
            await _finish(result)

    async def _in_thread(self, threads: ThreadPoolExecutor, args: tuple[object, ...], delivery: Delivery) -> object:
        # A context for each call: otherwise all calls of a thread share one and see the previous call's values.
        work = threads.submit(contextvars.copy_context().run, self._result_of, args)
        future = asyncio.wrap_future(work)
        try:
            result, error = await asyncio.shield(future)
        except asyncio.CancelledError:
            # A call that still waits for a thread must not run after its attempt was settled as failed.
            if not work.cancel() and not future.done():
                self.overdue.begin(delivery)
                future.add_done_callback(self._ended)
            raise
        if error is not None:
            raise error
        return result

    def _result_of(self, args: tuple[object, ...]) -> tuple[object, BaseException | None]:
        """Result and error as values: a future refuses StopIteration and would never be done."""
        try:
            return self._route.handler(*args), None
        except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
            return None, error

    def _ended(self, _: object) -> None:
        self.overdue.end()

    def close(self) -> None:
        """Start no more threads; running ones end with the process."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

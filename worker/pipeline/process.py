"""Runs one attempt: decodes the body, calls the handler, and turns the result into an outcome. Touches no Redis.

Cancellation passes through: the delivery stays pending and is handed over.
"""

import asyncio
import functools
import inspect
from collections.abc import Coroutine
from typing import Any, TypeVar

from ...shared import log
from ...shared.clock import now_ms
from ...shared.undecodable import UNDECODABLE
from ..api.annotation import ImpossibleError
from ..api.delivery import Delivery
from ..api.unrun import ExpiredError, UndecodableError
from . import age, outcome
from .around import surrounded
from .deadline import Deadline, Deadlines
from .failure_hook import FailureHook
from .named import named
from .outcome import ACK, SKIP, DeadLetter, Outcome, Park
from .overdue import Overdue
from .routes import Route
from .threads import Threads

Ended = TypeVar("Ended", bound=Outcome)


MISFITS = (*UNDECODABLE, TypeError, LookupError, AssertionError, ImpossibleError)
"""What a class of the user's raises for a body that does not fit. Any other error is a failure, and is retried."""


async def process(delivery: Delivery, route: Route, call: "Caller") -> Outcome:
    """Run one attempt. `call` runs the route's handler, here or in a thread."""
    if route.sources is not None and delivery.source not in route.sources:
        return SKIP
    if route.max_age_s is not None:
        now = now_ms()
        age_s = (now - age.made_at_ms(delivery)) / 1000
        if age_s > route.max_age_s:
            late = outcome.expired(age_s, (now - delivery.received_at_ms) / 1000, route.max_age_s)
            return call.failed(delivery, ExpiredError(late.cause.message), late)
    try:
        event = route.decoder(delivery.type)(delivery.body)
    except MISFITS as error:
        return call.undecodable(delivery, error)
    except BaseException as error:  # noqa: BLE001 - a validator of the user's failed, as his handler may
        return call.failed(delivery, error, failed(error, delivery, route))
    deadline = call.deadlines.begin()
    try:
        await call(event, delivery)
    except BaseException as error:
        if issubclass(type(error), GeneratorExit) and _is_abandoned():
            raise
        call.deadlines.end(deadline)
        return _failed(error, delivery, route, deadline, call)
    call.deadlines.end(deadline)
    return ACK


def _is_abandoned() -> bool:
    """Whether the event loop has ended: its remaining coroutines are then closed with GeneratorExit."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False


def _failed(error: BaseException, delivery: Delivery, route: Route, deadline: Deadline, call: "Caller") -> Outcome:
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
    result = failed(error, delivery, route, text)
    return result if deadline.is_abandoned else call.failed(delivery, error, result)


def failed(error: BaseException, delivery: Delivery, route: Route, message: str = "") -> Park | DeadLetter:
    """The outcome of an exception from a handler of this route, as `outcome.failed`."""
    began_ms = delivery.first_attempt_at_ms  # 0 in the first attempt itself
    spent_s = max(0.0, (now_ms() - began_ms) / 1000) if began_ms else 0.0
    return outcome.failed(error, delivery.counted_attempt, route.retry, message, spent_s)


async def _finish(result: object) -> None:
    """Await a result that a handler only created, as does a wrapper without `await`. Raises TypeError for a generator,
    which would never run. Of awaitables only coroutines are followed further: others, such as a pool, give themselves.
    """
    if inspect.isawaitable(result) and (result := await result) is None:
        return
    while inspect.iscoroutine(result):
        result = await result
    if inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise TypeError(f"the handler returned {result!r}, which never ran")


class Caller:
    """Calls the handler of one route, and what is around it: coroutines here, plain functions in `places` threads.

    A thread cannot be stopped: one that outlives its timeout is `overdue` until it ends.
    """

    def __init__(self, route: Route, places: int) -> None:
        self._route = route
        self._state = route.state
        self._threads = None if route.is_async else Threads(places, f"handler-{route.group}")
        self._run = surrounded(route.around, self._handle)
        self.deadlines = Deadlines(route.timeout_s)
        self.overdue = Overdue(route, places)
        self.failure_hook = FailureHook(route, places)

    def __call__(self, event: object, delivery: Delivery) -> Coroutine[Any, Any, None]:
        """Run the handler once. Log lines of the handler, and of what is around it, carry the delivery's fields."""
        if self._state is not None:
            delivery = self._state.given_to(delivery)
        log.bind_delivery(named(delivery))
        return self._run(event, delivery)

    async def _handle(self, event: object, delivery: Delivery) -> None:
        """The handler alone; its return value is ignored."""
        args = (event, delivery) if self._route.wants_delivery else (event,)
        result = (
            self._route.handler(*args)
            if self._threads is None
            else await self._threads.run(self._route.handler, args, functools.partial(self._outlived, delivery))
        )
        # A wrapper around a coroutine function may be a plain function: the coroutine that it returns has yet to run.
        if result is not None:
            await _finish(result)

    def _outlived(self, delivery: Delivery, future: "asyncio.Future[Any]") -> None:
        self.overdue.begin(delivery)
        future.add_done_callback(self._ended)

    def _ended(self, _: object) -> None:
        self.overdue.end()

    def failed(self, delivery: Delivery, error: BaseException, result: Ended) -> Ended:
        """Report a failure to the app. Returns the outcome, which stays what it is."""
        self.failure_hook.report(delivery, error, result)
        return result

    def undecodable(self, delivery: Delivery, error: BaseException) -> Outcome:
        """The outcome of a body that the decoder refuses with `error`, reported to the app."""
        result = outcome.undecodable(error)
        refused = UndecodableError(str(result.cause))
        refused.__cause__ = error
        return self.failed(delivery, refused, result)

    def close(self) -> None:
        """Start no more threads; running ones end with the process."""
        if self._threads is not None:
            self._threads.close()
        self.failure_hook.close()

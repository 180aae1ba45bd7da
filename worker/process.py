"""One attempt: decode, call the handler, and turn whatever happened into an outcome. Touches no Redis.

Cancellation passes through: the delivery stays pending, and is handed over.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from shared import decoding
from shared.clock import now_ms
from worker import outcome
from worker.decode import ImpossibleError
from worker.delivery import Delivery
from worker.outcome import Ack, Outcome
from worker.routes import Route

Call = Callable[[object, Delivery], Awaitable[None]]


async def process(delivery: Delivery, route: Route, call: Call) -> Outcome:
    """Run one attempt. `call` runs the route's handler, here or in a thread."""
    if route.max_age_s is not None:
        age_s = (now_ms() - delivery.received_at_ms) / 1000
        if age_s > route.max_age_s:
            return outcome.expired(age_s, route.max_age_s)
    try:
        event = route.decoder(delivery.type)(delivery.body)
    except (*decoding.UNDECODABLE, ImpossibleError) as error:
        return outcome.undecodable(error)
    deadline = asyncio.timeout(route.timeout_s)
    try:
        async with deadline:
            await call(event, delivery)
    except TimeoutError as error:
        text = f"no end after {route.timeout_s:g} s" if deadline.expired() else ""
        return outcome.failed(error, delivery.attempt, route.retry, text)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return outcome.failed(error, delivery.attempt, route.retry, "the handler cancelled itself")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a handler lets out is its failure, not ours
        return outcome.failed(error, delivery.attempt, route.retry)
    return Ack()


class Caller:
    """Calls the handlers of one route: coroutines here, plain functions in threads of their own.

    A thread can't be stopped. One that outlives its timeout keeps its place in `overdue` until it ends, so that a
    hanging handler never gets more threads than its concurrency.
    """

    def __init__(self, route: Route) -> None:
        self._route = route
        self._threads = None if route.is_async else ThreadPoolExecutor(route.concurrency, f"handler-{route.group}")
        self.overdue = 0

    async def __call__(self, event: object, delivery: Delivery) -> None:
        """Run the handler once; its return value means nothing."""
        args = (event, delivery) if self._route.wants_delivery else (event,)
        if self._threads is None:
            await self._route.handler(*args)
            return
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._route.handler, *args)
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            if not future.done():
                self.overdue += 1
                future.add_done_callback(self._ended)
            raise

    def _ended(self, future: "asyncio.Future[object]") -> None:
        self.overdue -= 1
        if not future.cancelled():
            future.exception()  # seen: its attempt was settled as a timeout already

    def close(self) -> None:
        """Start no more threads; those that run are left to end with the process."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

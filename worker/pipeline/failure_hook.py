"""Calls an app's `on_failure` after failed attempts, beside everything else.

The outcome is decided and on its way to Redis by then, so nothing that the hook does can change or delay it. It takes
the place of its attempt among those of the subscription until it ends: hooks are never more than handlers could be.
"""

import asyncio
import inspect
from collections.abc import Callable, Collection
from typing import Any, Final

from ...shared import log
from ...shared.lazy_task import lazy_task
from ..api.callee import returns_coroutine
from ..api.delivery import Delivery
from .cause import describe
from .named import named
from .outcome import Outcome, is_failed
from .outcome_view import Outcome as OutcomeView
from .routes import Route
from .threads import Threads

LIMIT_S: Final = 5.0
"""How long one call may take: enough for a request to whoever collects errors, too short to hold up a stop."""


class FailureHook:
    """The `on_failure` of one route; nothing happens if it has none. `on_end` is called whenever a call has ended."""

    def __init__(self, route: Route, places: int) -> None:
        self.on_end: Callable[[], None] = _ignore
        self.running = 0
        """Calls that have not ended, threads that outlive theirs among them."""
        self._function = route.on_failure
        self._state = route.state
        self._threads = (
            None
            if self._function is None or returns_coroutine(self._function)
            else Threads(places, f"on-failure-{route.group}")
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = log.get("worker.on_failure")

    @property
    def tasks(self) -> Collection["asyncio.Task[None]"]:
        """Those of the calls that run."""
        return self._tasks

    def report(self, delivery: Delivery, error: BaseException, outcome: Outcome) -> None:
        """Begin a call if the outcome is a failure. It runs once the outcome was passed on to be written."""
        if self._function is None or not is_failed(outcome):
            return
        if self._state is not None:
            delivery = self._state.given_to(delivery)
        self.running += 1
        task = lazy_task(self._run(self._function, delivery, error, outcome))
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

    async def _run(
        self, function: Callable[..., Any], delivery: Delivery, error: BaseException, outcome: Outcome
    ) -> None:
        log.bind_delivery(named(delivery))
        args = (delivery, error, OutcomeView(delivery, outcome))
        try:
            async with asyncio.timeout(LIMIT_S):
                result = function(*args) if self._threads is None else await self._in_thread(function, args)
                if inspect.isawaitable(result):
                    await result
        except BaseException as failure:  # noqa: BLE001 - it is the user's code, and the outcome stays what it is
            cause = describe(failure)
            self._log.error(
                "on_failure_failed",
                **named(delivery),
                error=str(cause),
                exception=cause.traceback,
            )

    async def _in_thread(self, function: Callable[..., Any], args: tuple[object, ...]) -> Any:
        assert self._threads is not None
        return await self._threads.run(function, args, self._outlived)

    def _outlived(self, future: "asyncio.Future[Any]") -> None:
        self.running += 1
        future.add_done_callback(self._ended)

    def _task_ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._ended(task)

    def _ended(self, _: object) -> None:
        self.running -= 1
        self.on_end()

    def stop(self) -> None:
        """Begin no more calls."""
        self._function = None

    def close(self) -> None:
        """Start no more threads."""
        if self._threads is not None:
            self._threads.close()


def _ignore() -> None: ...

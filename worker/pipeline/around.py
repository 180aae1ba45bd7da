"""Runs a handler inside the `around` functions of its app, the first one outermost.

Whatever they raise counts as raised by the handler, and what they swallow does not count, but for a cancellation: one
that returns without `call` skips the handler, and the delivery is handled. An attempt does not end before the handler
does: what a function has left running in another task is cancelled and awaited, as at a timeout, and that it was left
is an error.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from ...shared.lazy_task import lazy_task
from ..api.around import Around
from ..api.callee import place_of
from ..api.delivery import Delivery

Step = Callable[[Any, Delivery], Coroutine[Any, Any, None]]
"""Takes an event and its delivery."""


def surrounded(around: Sequence[Around], handle: Step) -> Step:
    """A step that runs `handle` inside the functions; `handle` itself if there are none."""
    for function in reversed(around):
        handle = partial(_run, function, handle)
    return handle


async def _run(function: Around, below: Step, event: Any, delivery: Delivery) -> None:
    call = _Call(function, lambda: below(event, delivery))
    try:
        await function(call, event, delivery)
    finally:
        await call.end()
    call.check()


class _Call:
    """What a function calls to run the steps below it. Made in the task of the attempt."""

    def __init__(self, function: Around, below: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._function = function
        self._below = below
        self._task = task
        self._cancelled_before = task.cancelling()
        self._running: Coroutine[Any, Any, None] | None = None
        self._elsewhere: asyncio.Task[None] | None = None
        """Runs the steps below if another task awaits them than that of the attempt."""
        self._cancelled = asyncio.CancelledError()
        """What ended the steps below: it may tell that it is a timeout."""
        self._has_begun = self._has_ended = self._has_returned = False
        self._is_left = self._is_over = False

    def __call__(self) -> Coroutine[Any, Any, None]:
        """Raises RuntimeError if it was called before, as the handler runs once in an attempt, or comes too late."""
        if self._is_over:
            raise RuntimeError(f"{place_of(self._function)} had returned before call() was called")
        if self._running is not None:
            raise RuntimeError(f"{place_of(self._function)} called call() twice")
        self._running = self._run()
        return self._running

    async def _run(self) -> None:
        self._has_begun = True
        try:
            if asyncio.current_task() is self._task:
                await self._below()
            else:  # in a task of ours, which can be ended without the other one
                self._elsewhere = lazy_task(self._below())
                await self._elsewhere
            self._has_returned = True
        except asyncio.CancelledError as error:
            self._cancelled = error
            raise
        finally:
            self._has_ended = True

    async def end(self) -> None:
        """End what the function has left: no handler runs on after its attempt, or begins then."""
        self._is_over = True
        self._is_left = self._running is not None and not self._has_ended
        if self._running is not None and not self._has_begun:
            _discard(self._running, self._task.get_loop())
        elif self._elsewhere is not None and self._task.get_loop().is_running():
            self._elsewhere.cancel()
            await _ended(self._elsewhere)

    def check(self) -> None:
        """Raises CancelledError if the function has swallowed one before the handler returned, such as that of a
        timeout, and RuntimeError if what it called had not ended."""
        if self._task.cancelling() > self._cancelled_before and not self._has_returned:
            raise self._cancelled
        if self._is_left:
            raise RuntimeError(f"{place_of(self._function)} returned before the handler had ended: await call()")


def _discard(coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> None:
    """End a coroutine that has not begun. A task that was to run it would log an error about one that was closed."""
    task = next((task for task in asyncio.all_tasks(loop) if task.get_coro() is coroutine), None)
    if task is not None:
        task.cancel()
    else:
        coroutine.close()


async def _ended(task: "asyncio.Task[None]") -> None:
    """Wait for the end of a task, even while cancelled: a handler that ignores that is overdue like any other."""
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:  # `check` raises it again
            continue
    if not task.cancelled():
        task.exception()  # now it counts as retrieved

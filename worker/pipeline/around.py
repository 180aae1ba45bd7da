"""Runs a handler inside the `around` functions of its app, the first one outermost.

Whatever they raise counts as raised by the handler, and what they swallow does not count: one that returns without
`call` skips the handler, and the delivery is handled. But an attempt must not end before the handler does: a `call`
that was not awaited to its end is an error.
"""

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

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
        call.cancel()
    call.check()


class _Call:
    """What a function calls to run the steps below it."""

    def __init__(self, function: Around, below: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._function = function
        self._below = below
        self._running: Coroutine[Any, Any, None] | None = None
        self._has_begun = self._has_ended = False

    def __call__(self) -> Coroutine[Any, Any, None]:
        """Raises RuntimeError if it was called before: the handler runs once in an attempt."""
        if self._running is not None:
            raise RuntimeError(f"{place_of(self._function)} called call() twice")
        self._running = self._run()
        return self._running

    async def _run(self) -> None:
        self._has_begun = True
        try:
            await self._below()
        finally:
            self._has_ended = True

    def cancel(self) -> None:
        """Whoever was to run it later, such as a task, no longer can."""
        if self._running is not None and not self._has_begun:
            self._running.close()

    def check(self) -> None:
        """Raises RuntimeError if what was called has not ended."""
        if self._running is not None and not self._has_ended:
            raise RuntimeError(f"{place_of(self._function)} returned before the handler had ended: await call()")

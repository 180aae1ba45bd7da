"""Counts handlers that run on after their timeout: coroutines that swallow their cancellation, and threads.

Neither can be ended from outside. Their attempt is settled as failed; their slot stays taken until they end, so a
hanging handler never takes more slots than its concurrency. A subscription whose slots are all taken this way begins
nothing more in this process; other subscriptions continue.
"""

import types
from typing import Any, Final

from ...shared import log
from ..api.delivery import Delivery
from . import metrics
from .named import named
from .routes import Route

FRAMES: Final = 200
"""More than any real chain of awaits has."""


class Overdue:
    """The overdue handlers of one subscription in one process, which has `places` slots."""

    def __init__(self, route: Route, places: int) -> None:
        self._route = route
        self._places = places
        self._total = metrics.OVERDUE_TOTAL.labels(route.group, route.pattern)
        self._log = log.get("worker.overdue")
        self.count = 0

    def begin(self, delivery: Delivery) -> None:
        """A handler runs on after its timeout."""
        self.count += 1
        self._total.inc()
        self._log.warning(
            "handler_overdue",
            **named(delivery),
            pattern=self._route.pattern,
            timeout_s=self._route.timeout_s,
            overdue=self.count,
            places=self._places,
        )

    def end(self) -> None:
        """An overdue handler has ended."""
        self.count -= 1


def where(coroutine: object) -> types.TracebackType | None:
    """The traceback of the place where a coroutine waits."""
    frames: list[types.FrameType] = []
    waiting: Any = coroutine
    while isinstance(waiting, types.CoroutineType) and waiting.cr_frame is not None and len(frames) < FRAMES:
        frames.append(waiting.cr_frame)
        waiting = waiting.cr_await
    trace = None
    for frame in reversed(frames):
        trace = types.TracebackType(trace, frame, frame.f_lasti, frame.f_lineno or 1)
    return trace

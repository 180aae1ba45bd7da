"""Handlers that run on although their time is over: a coroutine that swallows its cancellation, a thread.

Neither can be ended from outside. Their attempt is settled as failed all the same; their place stays taken until they
end, so that a hanging handler never gets more places than its concurrency. Where all places of a subscription are
taken so, it begins nothing more in this process, and others go on.
"""

import types
from typing import Any, Final

from ...shared import log
from ..api.delivery import Delivery
from . import metrics
from .routes import Route

FRAMES: Final = 200
"""More than any real chain of awaits has."""


class Overdue:
    """Counts those of one subscription in one shard, which has `places`."""

    def __init__(self, route: Route, places: int) -> None:
        self._route = route
        self._places = places
        self._total = metrics.OVERDUE_TOTAL.labels(route.group, route.pattern)
        self._log = log.get("worker.overdue")
        self.count = 0

    def begin(self, delivery: Delivery) -> None:
        """One more runs on."""
        self.count += 1
        self._total.inc()
        self._log.warning(
            "handler_overdue",
            webhook_id=delivery.webhook_id,
            type=delivery.type,
            source=delivery.source,
            group=delivery.group,
            attempt=delivery.attempt,
            pattern=self._route.pattern,
            timeout_s=self._route.timeout_s,
            overdue=self.count,
            places=self._places,
        )

    def end(self) -> None:
        """One of them has ended after all."""
        self.count -= 1


def where(coroutine: object) -> types.TracebackType | None:
    """Where a coroutine waits, as a traceback."""
    frames: list[types.FrameType] = []
    waiting: Any = coroutine
    while isinstance(waiting, types.CoroutineType) and waiting.cr_frame is not None and len(frames) < FRAMES:
        frames.append(waiting.cr_frame)
        waiting = waiting.cr_await
    trace = None
    for frame in reversed(frames):
        trace = types.TracebackType(trace, frame, frame.f_lasti, frame.f_lineno or 1)
    return trace

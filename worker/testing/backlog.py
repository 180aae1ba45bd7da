"""The deliveries of a `Bus` that wait: for the time of a retry, or for their subscription to begin anything."""

from collections.abc import Callable
from typing import NamedTuple

from ..api.delivery import InFlight
from .lane import Lane


class Waiting(NamedTuple):
    """A delivery that may begin at `due_ms`, Unix ms of the test."""

    in_flight: InFlight
    lane: Lane
    due_ms: int


class Backlog:
    """In the order in which they came. `is_paused` tells whether a delivery's pattern is paused."""

    def __init__(self, is_paused: Callable[[InFlight], bool]) -> None:
        self._waiting: list[Waiting] = []
        self._is_paused = is_paused

    def add(self, waiting: Waiting) -> None:
        """A delivery waits from now on."""
        self._waiting.append(waiting)

    def next_ms(self, now_ms: int) -> int | None:
        """When the next one may begin; None if none can before something else happens."""
        times = [ready_ms for one in self._waiting if (ready_ms := self._ready_ms(one)) is not None]
        return max(now_ms, min(times)) if times else None

    def take(self, now_ms: int) -> Waiting | None:
        """The first one that may begin now; None if there is none."""
        for one in self._waiting:
            if one.due_ms <= now_ms and not self._is_paused(one.in_flight) and one.lane.admits():
                self._waiting.remove(one)
                return one
        return None

    def _ready_ms(self, one: Waiting) -> int | None:
        opens_ms = None if self._is_paused(one.in_flight) else one.lane.opens_ms()
        return None if opens_ms is None else max(one.due_ms, opens_ms)

"""The figures of the last day, kept in memory: what the small plots show, and the rates between two looks.

Each minute has the figures of its last look, with the time of that look, as minutes differ in length by what lies
between looks: a rate is a growth over the true time. A restart begins anew: what must outlast it is Prometheus'. All
series take 3.5 MB at most.
"""

import itertools
import math
from array import array
from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

MINUTE_MS: Final = 60_000
MINUTES: Final = 24 * 60
HOUR: Final = 60
"""Minutes of a plot, unless it asks for more."""
POINTS: Final = 60
"""Of a plot at most."""
MAX_SERIES: Final = 300
"""Three figures for each of a hundred groups; further ones have no plot."""
RATE_MS: Final = 30_000
"""A present rate is that of the last half minute, or since the last look before: over one look it would jump."""
MAX_LOOKS: Final = 100
"""Looks within that time; one a second is more than there ever are."""

TOTALS: Final = ""
"""The name under which the figures of the whole bus are kept; no group has it."""

Key = tuple[str, str]
"""Group and name of a figure."""


class Mark(NamedTuple):
    """A figure and when it was looked at."""

    at_ms: int
    value: float


class History:
    """`add` what each look found; times in ms of one clock that is never set back."""

    def __init__(self) -> None:
        self._at_ms = array("q", [0]) * MINUTES
        self._series: dict[Key, array[float]] = {}
        self._looks: deque[tuple[int, Mapping[Key, float]]] = deque(maxlen=MAX_LOOKS)

    def add(self, at_ms: int, figures: Mapping[Key, float]) -> None:
        """Add a look's figures. The last look of a minute counts."""
        kept = list({**figures, **self._series})[:MAX_SERIES]
        self._series = {key: self._series.get(key) or array("d", [math.nan]) * MINUTES for key in kept}
        place = at_ms // MINUTE_MS % MINUTES
        self._at_ms[place] = at_ms
        for key, values in self._series.items():
            values[place] = figures.get(key, math.nan)
        self._looks.append((at_ms, {key: value for key, value in figures.items() if key in self._series}))
        while len(self._looks) > 2 and self._looks[1][0] <= at_ms - RATE_MS:
            self._looks.popleft()

    def series(self, name: str, group: str = TOTALS, minutes: int = HOUR) -> list[float]:
        """A figure over the last minutes, oldest first, from its first look on; one between looks is the one before."""
        marks = self._marks(group, name, minutes)
        if not marks:
            return []
        following = [*(mark.at_ms for mark in marks[1:]), marks[-1].at_ms + MINUTE_MS]
        points = [
            mark.value
            for mark, next_ms in zip(marks, following, strict=True)
            for _ in range(next_ms // MINUTE_MS - mark.at_ms // MINUTE_MS)
        ]
        return _thinned(points[-minutes:])

    def rates(self, name: str, group: str = TOTALS, minutes: int = HOUR) -> list[float]:
        """A counter's growth a second over the last minutes, oldest first; one between looks is that of the gap."""
        points = [
            _growth(earlier, later)
            for earlier, later in itertools.pairwise(self._marks(group, name, minutes + 1))
            for _ in range(later.at_ms // MINUTE_MS - earlier.at_ms // MINUTE_MS)
        ]
        return _thinned(points[-minutes:])

    def rate(self, name: str, group: str = TOTALS) -> float | None:
        """A counter's present growth a second; None before the second look."""
        marks = [Mark(at_ms, figures[group, name]) for at_ms, figures in self._looks if (group, name) in figures]
        return _growth(marks[0], marks[-1]) if len(marks) > 1 else None

    def _marks(self, group: str, name: str, minutes: int) -> list[Mark]:
        """What is known of the last minutes, oldest first."""
        values = self._series.get((group, name))
        if values is None:
            return []
        newest = self._looks[-1][0] // MINUTE_MS
        numbers = range(newest - min(minutes, MINUTES) + 1, newest + 1)
        marks = [Mark(self._at_ms[number % MINUTES], values[number % MINUTES]) for number in numbers]
        return [
            mark
            for number, mark in zip(numbers, marks, strict=True)
            if mark.at_ms // MINUTE_MS == number and not math.isnan(mark.value)
        ]


def _thinned(points: list[float]) -> list[float]:
    """At most `POINTS` of them, the last one among these."""
    return points[::-1][:: max(1, -(-len(points) // POINTS))][::-1]


def _growth(earlier: Mark, later: Mark) -> float:
    """A second. A counter that fell began again, as after FLUSHALL."""
    return max(0.0, later.value - earlier.value) * 1000 / max(1, later.at_ms - earlier.at_ms)

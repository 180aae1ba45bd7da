"""The figures of the last hour, kept in memory: what the small plots show, and the rates between two looks.

One slot for each ten seconds; a slot that no look fell into takes the figure before it. A restart begins anew: what
must outlast it is Prometheus'. With a hundred groups it takes less than a megabyte.
"""

import itertools
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

SLOT_MS: Final = 10_000
SLOTS: Final = 360
"""One hour."""
POINTS: Final = 60
"""Of a plot: one a minute."""
MAX_SERIES: Final = 300
"""Three figures for each of a hundred groups; further ones have no plot."""
RATE_SLOTS: Final = 3
"""A present rate is that of the last half minute: over one look it would jump."""

TOTALS: Final = ""
"""The name under which the figures of the whole bus are kept; no group has it."""


class History:
    """`add` what each look found; times in Unix ms by one clock."""

    def __init__(self) -> None:
        self._slots: OrderedDict[int, dict[tuple[str, str], float]] = OrderedDict()
        self._series: set[tuple[str, str]] = set()

    def add(self, at_ms: int, figures: dict[tuple[str, str], float]) -> None:
        """Add a look's figures: (group, name) → figure. The last look of a slot counts."""
        self._series = set(list({**figures, **dict.fromkeys(self._series, 0.0)})[:MAX_SERIES])
        self._slots[at_ms // SLOT_MS] = {key: value for key, value in figures.items() if key in self._series}
        while self._slots and next(iter(self._slots)) <= at_ms // SLOT_MS - SLOTS:
            self._slots.popitem(last=False)

    def series(self, name: str, group: str = TOTALS) -> list[float]:
        """The last hour of a figure, oldest first, from its first look on."""
        points = self._filled(group, name)
        step = max(1, -(-len(points) // POINTS))
        return points[::-1][::step][::-1]

    def rates(self, name: str, group: str = TOTALS) -> list[float]:
        """A counter's growth a second over the last hour, oldest first."""
        points = self._filled(group, name)
        step = max(1, -(-len(points) // POINTS))
        marks = points[::-1][::step][::-1]
        return _growth(marks, step * SLOT_MS / 1000)

    def rate(self, name: str, group: str = TOTALS) -> float | None:
        """A counter's present growth a second; None before the second slot."""
        points = self._filled(group, name)[-RATE_SLOTS - 1 :]
        grown = _growth(points[:1] + points[-1:], (len(points) - 1) * SLOT_MS / 1000) if len(points) > 1 else []
        return grown[0] if grown else None

    def _filled(self, group: str, name: str) -> list[float]:
        key = (group, name)
        known = [(slot, figures[key]) for slot, figures in self._slots.items() if key in figures]
        if not known:
            return []
        points: list[float] = []
        for (slot, value), (following, _) in zip(known, [*known[1:], (known[-1][0] + 1, 0.0)], strict=True):
            points += [value] * min(following - slot, SLOTS)
        return points[-SLOTS:]


def _growth(marks: Sequence[float], between_s: float) -> list[float]:
    """A counter that fell began again, as after FLUSHALL."""
    return [max(0.0, later - earlier) / between_s for earlier, later in itertools.pairwise(marks)]

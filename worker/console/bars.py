"""Deaths over time as bars. Pure: places in the drawing's coordinates."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from ...shared.times import LAST_MS
from ..dlq.filter import Filter

BARS: Final = 24
"""Hours of a day."""
DAY_MS: Final = 86_400_000
WIDTH: Final = 20
HEIGHT: Final = 48


class Bar(NamedTuple):
    """`died` letters from `since_ms` until before `until_ms`."""

    x: int
    height: int
    died: int
    since_ms: int
    until_ms: int


def edges(criteria: Filter, now_ms: int) -> list[int]:
    """The times between bars: of the filter, or the last day of it where it has no beginning."""
    end = min(criteria.until_ms, now_ms, LAST_MS) + 1
    begin = criteria.since_ms or max(0, end - DAY_MS)
    step = max(1, -(-(end - begin) // BARS))
    return [min(begin + i * step, max(begin, end)) for i in range(BARS + 1)]


def of(counts: Sequence[int], times: Sequence[int]) -> list[Bar]:
    """A bar for each count; any death makes one that can be seen."""
    top = max(counts, default=0) or 1
    return [Bar(i * WIDTH, -(-each * HEIGHT // top), each, times[i], times[i + 1]) for i, each in enumerate(counts)]

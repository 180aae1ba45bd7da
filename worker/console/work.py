"""What the groups did in the last hour, from the statistics that workers write: rates and times of attempts.

The minutes that are over are read once more after their end, and kept: a look reads two or three.
"""

from collections.abc import Callable, Collection
from typing import Final

from ...shared.connection import Redis
from ..inventory import statistics
from ..inventory.statistics import MINUTE_MS, NOTHING, Figures, Series

MINUTES: Final = 60
RECENT: Final = 5
"""Minutes that the times of attempts are taken from: fewer hold too little of a quiet group."""

Count = Callable[[Figures], int]


def handled(figures: Figures) -> int:
    """Attempts that handled their delivery."""
    return figures.handled


def failed(figures: Figures) -> int:
    """Attempts after which a delivery was parked or dead-lettered."""
    return figures.parked + figures.dead


class Work:
    """Reads the last hour. Keeps what it has read."""

    def __init__(self) -> None:
        self._known: Series = {}
        self._read_ms = 0

    async def fetch(self, client: Redis, now_ms: int) -> Series:
        """The last hour. Raises RedisError, OSError."""
        count = min(MINUTES, max(0, now_ms - self._read_ms) // MINUTE_MS + 2)
        fresh = await statistics.minutes(client, now_ms, count)
        first_ms = (now_ms // MINUTE_MS - count + 1) * MINUTE_MS
        oldest_ms = (now_ms // MINUTE_MS - MINUTES + 1) * MINUTE_MS
        kept = {at_ms: groups for at_ms, groups in self._known.items() if oldest_ms <= at_ms < first_ms}
        self._known, self._read_ms = kept | fresh, now_ms
        return self._known


def recent(series: Series, now_ms: int, group: str = "") -> Figures:
    """The sum of the last minutes; of one group, or "" of all."""
    last, total = now_ms // MINUTE_MS, NOTHING
    for number in range(last - RECENT + 1, last + 1):
        for figures in _of(series, number, group):
            total = total.plus(figures)
    return total


def rate(series: Series, now_ms: int, count: Count, group: str = "") -> float:
    """Attempts a second in this minute and the one before: workers write every ten seconds."""
    last = now_ms // MINUTE_MS
    done = sum(map(count, (*_of(series, last - 1, group), *_of(series, last, group))))
    return done / (60 + now_ms % MINUTE_MS / 1000)


def rates(series: Series, now_ms: int, count: Count, group: str = "") -> list[float]:
    """Attempts a second by the minute, oldest first, up to the present rate."""
    last = now_ms // MINUTE_MS
    over = [sum(map(count, _of(series, number, group))) / 60 for number in range(last - MINUTES + 1, last)]
    return [*over, rate(series, now_ms, count, group)]


def _of(series: Series, number: int, group: str) -> Collection[Figures]:
    """The figures of a minute."""
    groups = series.get(number * MINUTE_MS, {})
    if not group:
        return groups.values()
    return [groups[group]] if group in groups else []

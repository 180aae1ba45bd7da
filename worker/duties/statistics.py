"""Adds what the groups of this process did to their figures in Redis, every ten seconds.

It reads the counters of the metrics, so deliveries pay nothing. What Redis refuses, or has no room for, is left out,
and so is what a lost connection leaves in doubt: figures may be too low, never too high. Costs Redis one script call
every ten seconds in which anything was done: two HINCRBY for each figure that grew, and four EXPIRE.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

from redis.exceptions import ResponseError

from ...shared import log, scripts
from ...shared.clock import now_ms
from ...shared.connection import FAULTS, Redis
from ...shared.pause import pause
from ..inventory import statistics
from ..inventory.statistics import BOUNDS_S, Figures
from ..pipeline import metrics
from .room import Room

INTERVAL_S: Final = 10.0
WRITE_S: Final = 1.0
"""A stop waits for the last figures for no longer."""


class Statistics:
    """The figures of some groups in one process."""

    def __init__(self, client: Redis, groups: Collection[str], room: Room, stopping: asyncio.Event) -> None:
        self._client = client
        self._groups = groups
        self._room = room
        self._stopping = stopping
        self._last = counted(groups)
        self._is_refused = False

    async def run(self) -> None:
        """Add until stopping."""
        while not self._stopping.is_set():
            await pause(self._stopping, INTERVAL_S)
            await self.add()

    async def add(self) -> None:
        """Add what was done since the last time."""
        last, self._last = self._last, counted(self._groups)
        grown = {
            group: figures.plus(last[group], -1) for group, figures in self._last.items() if figures != last[group]
        }
        if not grown or not self._room.is_left:
            return
        try:
            async with asyncio.timeout(WRITE_S):
                await scripts.run(self._client, statistics.add(grown, now_ms()))
            self._is_refused = False
        except ResponseError as error:
            if not self._is_refused:
                self._is_refused = True
                log.get("worker.statistics").warning("statistics_refused", reason=str(error))
        except FAULTS:
            return  # reported by the duties that deliveries need


def counted(groups: Collection[str]) -> dict[str, Figures]:
    """Group → what the metrics of this process have counted so far."""
    counts: Counter[tuple[str, str]] = Counter()
    for (group, _, outcome), value in metrics.DELIVERIES.values():
        counts[group, outcome] += int(value)
    busy_ms: Counter[str] = Counter()
    latencies = {group: [0] * (len(BOUNDS_S) + 1) for group in groups}
    for (group, _), numbers, total_s in metrics.HANDLER_SECONDS.values():
        busy_ms[group] += round(total_s * 1000)
        for place, number in zip(PLACES, numbers, strict=True) if group in latencies else ():
            latencies[group][place] += number
    return {
        group: Figures(
            handled=counts[group, "handled"],
            parked=counts[group, "parked"],
            dead=counts[group, "dead_letter"],
            busy_ms=busy_ms[group],
            latencies=tuple(latencies[group]),
        )
        for group in groups
    }


def _places(bounds_s: Sequence[float]) -> tuple[int, ...]:
    """For each bucket of the metric the one here that contains it."""
    return tuple(sum(end_s > bound_s for bound_s in BOUNDS_S) for end_s in (*bounds_s, float("inf")))


PLACES: Final = _places(metrics.HANDLER_BUCKETS_S)

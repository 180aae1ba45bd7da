"""Detects a Redis that was restored from an older backup: events that it had stored are missing.

Each process remembers some of the last stored events, and each health check queries whether Redis' day sets still hold
them. Costs Redis one SMISMEMBER a shard and day. The memory ends with the process: one that is started together with
Redis detects nothing.
"""

from typing import Final, NamedTuple

from ..shared import clock
from ..shared.connection import Execute
from ..shared.dedupe import DAY_MS, digest_of
from ..shared.keys import Keys

MAX: Final = 100
"""Events that are remembered: a minute apart, they cover the last hour and a half."""
APART_MS: Final = 60_000
"""Minimum time between two remembered events."""


class Landmark(NamedTuple):
    """A stored event. `at_ms` is the time of its receipt, Unix ms; `day` is that of its day set."""

    at_ms: int
    day: int
    digest: bytes


class Gap(NamedTuple):
    """Missing events were stored between these times, Unix ms; `since_ms` is 0 if no older one is remembered."""

    since_ms: int
    until_ms: int


class Landmarks:
    """The remembered events of one shard. `days` day sets make up the dedupe window."""

    def __init__(self, shard: Keys, days: int) -> None:
        self.latest: tuple[int, int, str, str] | None = None
        """The last stored event: time (Unix ms), day of its set, source, webhook-id. All that the hot path writes."""
        self._shard = shard
        self._days = days
        self._kept: list[Landmark] = []

    async def gap(self, execute: Execute) -> Gap | None:
        """The events that Redis has lost since the last call; None for none. Raises RedisError, OSError."""
        self.add_latest()
        oldest_day = clock.now_ms() // DAY_MS - self._days + 2  # a day to spare: clocks that expire sets differ
        kept = self._kept = [mark for mark in self._kept if mark.day >= oldest_day]
        present = {mark for day in {mark.day for mark in kept} for mark in await self._present(execute, day, kept)}
        missing = [mark for mark in kept if mark not in present]
        self._kept = _thinned([mark for mark in kept if mark in present])
        if not missing:
            return None
        first_ms = missing[0].at_ms
        return Gap(max((mark.at_ms for mark in present if mark.at_ms <= first_ms), default=0), missing[-1].at_ms)

    def forget(self) -> None:
        """Forget all events: Redis came back empty, which the caller reports."""
        self.latest, self._kept = None, []

    async def _present(self, execute: Execute, day: int, kept: list[Landmark]) -> list[Landmark]:
        of_day = [mark for mark in kept if mark.day == day]
        replies = await execute("SMISMEMBER", self._shard.seen(day), *(mark.digest for mark in of_day))
        return [mark for mark, is_present in zip(of_day, replies, strict=True) if is_present]

    def add_latest(self) -> None:
        """Remember the latest event too.

        Call it before anything is stored over a new connection: its server may hold older data.
        """
        if self.latest is not None:
            at_ms, day, source, webhook_id = self.latest
            self.latest = None
            self._kept = [*self._kept[-MAX:], Landmark(at_ms, day, digest_of(source, webhook_id))]


def _thinned(kept: list[Landmark]) -> list[Landmark]:
    """Keep events at least APART_MS apart, and the last one. Call it only with events that Redis has just confirmed."""
    thin: list[Landmark] = []
    for mark in kept:
        if len(thin) > 1 and thin[-1].at_ms - thin[-2].at_ms < APART_MS:
            thin.pop()
        thin.append(mark)
    return thin[-MAX:]

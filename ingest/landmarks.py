"""Whether Redis still knows what ingest was told was stored: a Redis that comes back from an older backup does not.

Some of the last events are remembered, and with each look Redis is asked whether its dedupe knows them. Costs Redis one
SMISMEMBER a shard and day. Dies with the process: one that is started together with Redis notices nothing.
"""

from typing import Final, NamedTuple

from ..shared import clock
from ..shared.connection import Execute
from ..shared.keys import Keys
from .commit import DAY_MS, digest_of

MAX: Final = 100
"""Events that are remembered: with a minute between them, the last hour and a half."""
APART_MS: Final = 60_000


class Landmark(NamedTuple):
    """An event that was stored. `at_ms` is when, `day` that of the set which knows it."""

    at_ms: int
    day: int
    digest: bytes


class Gap(NamedTuple):
    """What is missing was stored between these times, Unix ms; `since_ms` is 0 where nothing older is remembered."""

    since_ms: int
    until_ms: int


class Landmarks:
    """Those of one shard. `days`: how long the dedupe remembers."""

    def __init__(self, shard: Keys, days: int) -> None:
        self.latest: tuple[int, int, str, str] | None = None
        """When the last event was stored, the day of its set, its source and webhook-id: all that the hot path does."""
        self._shard = shard
        self._days = days
        self._kept: list[Landmark] = []

    async def gap(self, execute: Execute) -> Gap | None:
        """What Redis lost, told once; None for nothing. Raises RedisError, OSError."""
        self.keep()
        oldest_day = clock.now_ms() // DAY_MS - self._days + 2  # a day to spare: sets leave by the clock of others, too
        kept = self._kept = [one for one in self._kept if one.day >= oldest_day]
        known = {one for day in {one.day for one in kept} for one in await self._known(execute, day, kept)}
        missing = [one for one in kept if one not in known]
        self._kept = _thinned([one for one in kept if one in known])
        if not missing:
            return None
        first_ms = missing[0].at_ms
        return Gap(max((one.at_ms for one in known if one.at_ms <= first_ms), default=0), missing[-1].at_ms)

    def forget(self) -> None:
        """Redis is known to be another one."""
        self.latest, self._kept = None, []

    async def _known(self, execute: Execute, day: int, kept: list[Landmark]) -> list[Landmark]:
        ours = [one for one in kept if one.day == day]
        found = await execute("SMISMEMBER", self._shard.seen(day), *(one.digest for one in ours))
        return [one for one, is_known in zip(ours, found, strict=True) if is_known]

    def keep(self) -> None:
        """Remember the latest one, too.

        To be called before anything is stored over a new connection: the server there may be older.
        """
        if self.latest is not None:
            at_ms, day, source, webhook_id = self.latest
            self.latest = None
            self._kept = [*self._kept[-MAX:], Landmark(at_ms, day, digest_of(source, webhook_id))]


def _thinned(kept: list[Landmark]) -> list[Landmark]:
    """Some time apart, but for the last: only of what Redis was just seen to know one may be let go."""
    thin: list[Landmark] = []
    for one in kept:
        if len(thin) > 1 and thin[-1].at_ms - thin[-2].at_ms < APART_MS:
            thin.pop()
        thin.append(one)
    return thin[-MAX:]

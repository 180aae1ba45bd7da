"""What the console knows: one look at the whole bus every two seconds, which all pages draw from.

No page asks Redis for the whole bus, so that a hundred open pages cost Redis what one costs. Looks take a twentieth of
Redis' time at most, unless one takes very long; they happen while somebody asks, and once a minute for the plots else.
When Redis does not answer, the last look stays, and says since when it is old: a page never shows zeros for what nobody
knows.
"""

import asyncio
import contextlib
import itertools
import time
from dataclasses import dataclass
from typing import Final

from ...shared import clock, log
from ...shared.connection import FAULTS, Redis
from ...shared.fault import fault_of
from ...shared.settings import ConfigError
from ..dlq.causes import HOUR_MS, Summary
from ..dlq.filter import Filter
from ..dlq.query import DeadLetters
from ..inspect import processes, snapshot
from ..inspect.processes import Processes
from ..inspect.snapshot import Bus
from .history import History

INTERVAL_S: Final = 2.0
PAUSE_TIMES: Final = 20
"""Pauses are at least this many times as long as the look before: the share of its time that Redis gives to looks is
below a twentieth, of which most is ours."""
MAX_PAUSE_S: Final = 6.0
"""A look that took long, as on a busy machine, is followed by the next one before its figures are old."""
ASKED_S: Final = 30.0
"""How long after a request the next one is expected; a page asks every two seconds, or backs off to thirty."""
IDLE_S: Final = 60.0
LOOK_S: Final = 8.0
"""Time limit of a look, as of the exporter's."""
OLD_S: Final = 10.0
"""A look older than this is old, whatever the reason."""
FRESH_WAIT_S: Final = 3.0
"""How long the first page after a pause waits for a new look; then it shows the old one, and says so."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found. `at_ms` is Unix ms by this machine's clock, `began_s` `time.monotonic`."""

    number: int
    bus: Bus
    causes: tuple[Summary, ...]
    """Dead letters by cause, most first."""
    died_last_hour: int
    died_hour_before: int
    at_ms: int
    began_s: float


class Looker:
    """Looks at the bus until it is cancelled. `problem` is why the last look failed, "" if it did not."""

    def __init__(self, client: Redis, shards: int) -> None:
        self._client = client
        self._shards = shards
        self._numbers = itertools.count(1)
        self._asked_s = -ASKED_S
        self._wake = asyncio.Event()
        self._looked = asyncio.Condition()
        self._reading = asyncio.Lock()
        self._processes: tuple[int, Processes] | None = None
        self._log = log.get("worker.console")
        self.last: Look | None = None
        self.problem = ""
        self.history = History()

    async def run(self) -> None:
        """Look for ever. Raises ConfigError when the first look finds another layout."""
        while True:
            began_s = time.monotonic()
            await self._look()
            took_s = time.monotonic() - began_s
            pause_s = min(max(INTERVAL_S, PAUSE_TIMES * took_s), MAX_PAUSE_S)
            if time.monotonic() - self._asked_s > ASKED_S:
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    # Not `wait_for`: in Python 3.11 that swallows a stop at the moment of a request.
                    async with asyncio.timeout(IDLE_S):
                        await self._wake.wait()
            else:
                await asyncio.sleep(pause_s)

    async def current(self) -> Look | None:
        """The last look; after a pause a new one, if Redis answers soon. None before the first."""
        self._asked_s = time.monotonic()
        self._wake.set()
        if (self.last is None or self.age_s() > OLD_S) and not self.problem:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FRESH_WAIT_S), self._looked:
                    await self._looked.wait()
        return self.last

    async def processes(self) -> Processes:
        """Who is there: read once for each look. Raises ConfigError, RedisError, OSError."""
        async with self._reading:
            number = self.last.number if self.last else 0
            if self._processes is None or self._processes[0] != number:
                self._processes = number, await processes.fetch(self._client, self._shards)
            return self._processes[1]

    def age_s(self) -> float:
        """Seconds since the last look that succeeded."""
        return time.monotonic() - self.last.began_s if self.last is not None else 0.0

    @property
    def is_old(self) -> bool:
        """Whether the last look is not what Redis would tell now."""
        return bool(self.problem) or self.age_s() > OLD_S

    @property
    def version(self) -> str:
        """Changes whenever a page drawn now would differ from one drawn before."""
        return f"{self.last.number if self.last else 0}{'-old' if self.is_old else ''}"

    async def _look(self) -> None:
        is_first = self.last is None and not self.problem
        try:
            async with asyncio.timeout(LOOK_S):
                look = await self._fetch()
        except (*FAULTS, TimeoutError, ConfigError) as error:
            if isinstance(error, ConfigError) and is_first:
                raise
            if not self.problem:
                self._log.warning("redis_unreachable", reason=fault_of(error).detail)
            self.problem = fault_of(error).detail
        except Exception as error:  # noqa: BLE001 - a key whose name is no text, or a bug: pages say so
            if not self.problem:
                self._log.error("page_failed", path="", exc_info=error)
            self.problem = "this console can't read what is there; its log says why"
        else:
            if self.problem or is_first:
                self._log.info("redis_connected")
            self.problem, self.last = "", look
            self.history.add(look.at_ms, _figures(look))
        async with self._looked:
            self._looked.notify_all()

    async def _fetch(self) -> Look:
        began_s, at_ms = time.monotonic(), clock.now_ms()
        bus = await snapshot.fetch(self._client, self._shards)
        letters = await DeadLetters.open(self._client, self._shards)
        causes = await letters.summaries(Filter())
        hour_ms = bus.now_ms - HOUR_MS
        last = sum(cause.last_hour for cause in causes)
        before = await letters.count(Filter(since_ms=hour_ms - HOUR_MS, until_ms=hour_ms - 1))
        return Look(next(self._numbers), bus, tuple(causes), last, before, at_ms, began_s)


def _figures(look: Look) -> dict[tuple[str, str], float]:
    """What the plots show: of the whole bus, and of each group."""
    groups = look.bus.status.groups
    totals = {
        "stored": sum(look.bus.stored.values()),
        "backlog": sum(t.backlog for group in groups.values() for t in group.types.values()),
        "in_flight": sum(t.in_flight for group in groups.values() for t in group.types.values()),
        "oldest_s": max((t.oldest_age_s or 0.0 for g in groups.values() for t in g.types.values()), default=0.0),
        "delayed": sum(group.delayed for group in groups.values()),
        "dead": sum(group.dead for group in groups.values()),
        "memory": look.bus.redis.used_memory_bytes,
    }
    found: dict[tuple[str, str], float] = {("", name): float(value) for name, value in totals.items()}
    for name, group in groups.items():
        found[name, "waiting"] = float(group.unhandled)
    return found

"""What the console knows: one look at the whole bus every two seconds, which all pages draw from.

No page asks Redis for the whole bus. Looks happen while somebody asks, and once a minute for the plots else. When Redis
does not answer, the last look stays, and says since when it is old: a page never shows zeros for what nobody knows.
"""

import asyncio
import contextlib
import itertools
import math
import time
from collections import deque
from typing import Final

from ...shared import log
from ...shared.connection import FAULTS, Redis
from ...shared.fault import fault_of
from ...shared.memory import NEARLY_FULL
from ...shared.pause import pause
from ...shared.settings import ConfigError
from .. import audit
from ..inspect import processes
from ..inspect.processes import Processes
from . import look as looks
from . import pace
from .history import History
from .look import Look
from .work import Work

ASKED_S: Final = 30.0
"""How long after a request the next one is expected; a page asks every two seconds, or backs off to thirty."""
IDLE_S: Final = 60.0
WAIT_S: Final = 3.0
"""How long a page waits for a look that is under way; then it shows the old one, and says so."""


class Looker:
    """Looks at the bus until it is cancelled. `problem` is why the last look failed, "" if it did not."""

    def __init__(self, client: Redis, shards: int, *, writes: bool = False) -> None:
        self._client = client
        self._shards = shards
        self._writes = writes
        """Whether the user of Redis must be allowed to record actions."""
        self._work = Work()
        self._numbers = itertools.count(1)
        self._took_s: deque[float] = deque(maxlen=pace.USUAL_OF)
        self._created_s = time.monotonic()
        self._asked_s = -ASKED_S
        self._began_s: float | None = time.monotonic()
        """When the look under way began, None between two looks; the first begins at once."""
        self._is_idle = False
        self._wake = asyncio.Event()
        self._hurried = asyncio.Event()
        """Somebody has changed something, and waits for a look that has it."""
        self._changed_s = -math.inf
        """When somebody last changed something here: pages wait for a look that has it."""
        self._looked = asyncio.Condition()
        self._looks = 0
        """Ended, with success or without."""
        self._reading = asyncio.Lock()
        self._processes: tuple[int, Processes] | None = None
        self._log = log.get("worker.console")
        self.last: Look | None = None
        self.problem = ""
        self.history = History()

    async def run(self) -> None:
        """Look for ever. Raises ConfigError when the first look finds another layout, or a user who may not write."""
        while True:
            self._hurried.clear()
            self._began_s = began_s = time.monotonic()
            await self._look()
            self._began_s = None
            if began_s - self._asked_s > ASKED_S:
                await self._rest()
            else:
                await pause(self._hurried, pace.pause_s(0 if self.problem else self._usual_s))

    async def _rest(self) -> None:
        """Wait until somebody asks, a minute at most."""
        self._wake.clear()
        self._is_idle = True
        with contextlib.suppress(TimeoutError):
            # Not `wait_for`: in Python 3.11 that swallows a stop at the moment of a request.
            async with asyncio.timeout(IDLE_S):
                await self._wake.wait()
        self._is_idle = False

    async def current(self) -> Look | None:
        """The last look; a new one if that is old, or lacks a change of this console, and one is under way, or begins
        now. None before the first."""
        self._asked_s = time.monotonic()
        self._wake.set()
        if (wait_s := self._wait_s()) > 0:
            seen = self._looks
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s), self._looked:
                    await self._looked.wait_for(lambda: self._looks != seen and (self._has_changes or self.problem))
        return self.last

    def changed(self) -> None:
        """Somebody has changed something here: the next look begins at once."""
        self._changed_s = time.monotonic()
        self._hurried.set()

    async def renew(self) -> Look | None:
        """The look that begins now: it has what its caller has changed. An older one where that takes too long."""
        self.changed()
        return await self.current()

    @property
    def _has_changes(self) -> bool:
        """Whether the last look began after the last change."""
        return self.last is None or self.last.began_s >= self._changed_s

    def _wait_s(self) -> float:
        """How long a page waits for a newer look: not at all for one that isn't due, or hangs."""
        if self.is_fresh and self._has_changes:
            return 0
        if self._is_idle:
            return WAIT_S
        since_s = self._began_s if self._has_changes else self._changed_s
        if since_s is None or self.problem:
            return 0
        return WAIT_S - (time.monotonic() - since_s)

    async def processes(self) -> Processes:
        """Who is there: read once for each look. Raises ConfigError, RedisError, OSError."""
        async with self._reading:
            number = self.last.number if self.last else 0
            if self._processes is None or self._processes[0] != number:
                self._processes = number, await processes.fetch(self._client, self._shards)
            return self._processes[1]

    def age_s(self) -> float:
        """Seconds since the last look that succeeded began; before that, since the console began."""
        return time.monotonic() - (self.last.began_s if self.last is not None else self._created_s)

    @property
    def fresh_s(self) -> float:
        """The age at which the last look is old."""
        return pace.fresh_s(self.last.took_s, self._usual_s) if self.last is not None else 0.0

    @property
    def _usual_s(self) -> float:
        """How long a look takes; 0 before the first."""
        return min(self._took_s, default=0.0)

    @property
    def is_fresh(self) -> bool:
        """Whether the last look is young enough, whatever came after it."""
        return self.last is not None and self.age_s() <= self.fresh_s

    @property
    def is_old(self) -> bool:
        """Whether the last look is not what Redis would tell now."""
        return bool(self.problem) or not self.is_fresh

    @property
    def has_room(self) -> bool:
        """Whether Redis has memory for more than what actions and deliveries need."""
        return self.last is not None and self.last.bus.redis.memory_share < NEARLY_FULL

    @property
    def version(self) -> str:
        """Changes whenever a page drawn now would differ from one drawn before."""
        return f"{self.last.number if self.last else 0}{'-old' if self.is_old else ''}"

    async def _look(self) -> None:
        is_first = self.last is None and not self.problem
        limit_s = pace.limit_s(self._usual_s if self.last and not self.problem else None)
        try:
            async with asyncio.timeout(limit_s):
                if self._writes and self.last is None:
                    await audit.require(self._client)
                found = await looks.fetch(self._client, self._shards, next(self._numbers), self._work)
        except ConfigError as error:
            if is_first:
                raise
            self._failed(str(error))
        except TimeoutError:
            self._failed(f"Redis has not answered for {limit_s:.0f} s")
        except FAULTS as error:
            self._failed(f"Redis does not answer: {fault_of(error).detail}")
        except Exception as error:  # noqa: BLE001 - a key whose name is no text, or a bug: pages say so
            if not self.problem:
                self._log.error("page_failed", path="", exc_info=error)
            self.problem = "this console can't read what is there; its log says why"
        else:
            if self.problem or is_first:
                self._log.info("redis_connected")
            self.problem = ""
            self.keep(found)
        self._looks += 1
        async with self._looked:
            self._looked.notify_all()

    def keep(self, found: Look) -> None:
        """Pages show this look from now on."""
        self.last = found
        self._took_s.append(found.took_s)
        self.history.add(int(found.began_s * 1000), looks.figures(found))

    def _failed(self, problem: str) -> None:
        if not self.problem:
            self._log.warning("redis_unreachable", reason=problem)
        self.problem = problem

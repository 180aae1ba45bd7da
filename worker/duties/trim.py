"""Trims streams by their slowest group, once a minute or more often, and at once when memory is short.

Events that some group has not handled are always kept, also for a group that has no worker at the moment. Handled
events are kept for the retention time, for replay and for groups that start in the past; they are trimmed earlier if a
stream grows too long or Redis approaches its memory limit. Costs Redis one INFO every five seconds, and one script call
per stream and minute. One worker of the bus does it, with its own settings; see `chores`.

The age of an event counts from the present time, or from the stream's last id if that is later: ids never go back, so
they stay ahead if Redis' clock was ahead once.

Day sets of the dedupe window are unlinked before their TTL ends: without `lazyfree-lazy-expire`, which is off in Redis
by default, an expiry frees a whole set at once and blocks the server for 0.11 s per million digests (measured).
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from redis.exceptions import ResponseError

from ...shared import log, memory, scripts
from ...shared.backoff import jittered_s
from ...shared.connection import FAULTS, Redis
from ...shared.keys import Keys
from ...shared.patterns import patterns_of
from ...shared.pause import pause
from ...shared.pipelined import execute_all
from ...shared.times import LAST_MS
from ..inventory import registry, unsubscribed_types
from ..pipeline import metrics
from ..pipeline.unusable_keys import is_of_one_key
from ..settings import WorkerSettings
from .chores import Chores

INTERVAL_S: Final = 60.0
SHARE: Final = 0.1
"""Maximum time between two rounds, as a share of the retention time: a short one is observed as well as a long one."""
POLL_S: Final = 5.0
"""How often memory is checked: a burst that fills a tenth of it faster gets 503 for that long (a guess)."""
PRESSURE: Final = 0.9
"""Share of `maxmemory` above which handled events are trimmed at once."""
STEP: Final = 10_000
"""Maximum of entries trimmed in one call: up to 1 ms of Redis' time, whatever the length (measured with a million)."""
SWEPT: Final = 10
"""Entries read in one call when memory is short: their bodies, of up to a megabyte each, pass through Lua."""
CALLS: Final = 100
"""Such calls between two checks of the memory."""
EVERYTHING: Final = f"{2**64 - 1}-0"
DAY_MS: Final = 86_400_000
LONGEST_WINDOW_DAYS: Final = 40
"""Older day sets are left to their TTL."""


class Trimmer:
    """The streams of one shard."""

    def __init__(
        self, client: Redis, keys: Keys, chores: Chores, stopping: asyncio.Event, settings: WorkerSettings
    ) -> None:
        self._client = client
        self._keys = keys
        self._chores = chores
        self._stopping = stopping
        self._handled_ms = round(settings.retention_s * 1000)
        self._orphaned_ms = round(settings.orphan_retention_s * 1000)
        self._max = settings.retention_events
        self._interval_s = min(INTERVAL_S, SHARE * min(settings.retention_s, settings.orphan_retention_s))
        self._log = log.get("worker.trim")

    async def run(self) -> None:
        """Trim until stopping."""
        trim_at = time.monotonic() + jittered_s(self._interval_s)
        while not self._stopping.is_set():
            await pause(self._stopping, jittered_s(min(POLL_S, self._interval_s)))
            if not self._chores.has(self._keys):
                continue
            try:
                is_short = await self._is_memory_short()
                if is_short or time.monotonic() >= trim_at:
                    await self.trim(at_once=is_short)
                    await self.unlink_old_days()
                    if is_short:
                        await self.sweep()
                    trim_at = time.monotonic() + jittered_s(self._interval_s)
            except FAULTS as error:
                self._log.debug("trim_delayed", reason=str(error))

    async def trim(self, *, at_once: bool = False) -> int:
        """Trim every stream now. Returns how many entries were trimmed. Raises RedisError, OSError.

        `at_once`: no retention time for handled events.
        """
        now = await registry.now_ms(self._client)
        types = await self._types()
        ahead = await self._ahead_ms(types, now)
        unsubscribed = await self._unsubscribed(types, now)
        trimmed = 0
        while types:
            calls = [self._call(name, now + ahead[name], unsubscribed.get(name, ()), at_once=at_once) for name in types]
            results = await scripts.run_all(self._client, calls)
            counts = [result if isinstance(result, list) else [0, 0] for result in results]
            self._report(types, counts)
            trimmed += sum(count for count, _ in counts)
            # As many as a call may trim by age alone: there may be more.
            types = [name for name, (count, _) in zip(types, counts, strict=True) if count >= STEP // 2]
        return trimmed

    async def sweep(self) -> int:
        """Delete handled events even behind unhandled ones, until memory is not short any more. Returns their number.

        A failed delivery stays in the stream until Redis has the memory to park it; the handled events after it would
        keep Redis full. Raises RedisError, OSError.
        """
        deleted = 0
        for name in await self._types():
            try:
                deleted += await self._sweep_type(name)
            except ResponseError as error:
                if not is_of_one_key(error):
                    raise
        if deleted:
            metrics.TRIMMED.labels("handled").inc(deleted)
        return deleted

    async def _sweep_type(self, event_type: str) -> int:
        deleted, first = 0, "-"
        while first and not self._stopping.is_set() and await self._is_memory_short():
            for _ in range(CALLS):
                count, last = await scripts.run(self._client, self._sweep_call(event_type, first))
                deleted += count
                first = f"({last.decode()}" if last else ""
                if not first:
                    break
        return deleted

    async def _types(self) -> list[str]:
        return [name.decode() for name in await self._client.execute_command("SMEMBERS", self._keys.types)]

    def _sweep_call(self, event_type: str, first: str) -> scripts.Call:
        keys = (self._keys.stream(event_type), self._keys.groups, self._keys.patterns)
        return scripts.Call(scripts.SWEEP, keys, (" ".join(patterns_of(event_type)), first, SWEPT))

    async def _unsubscribed(self, types: list[str], now_ms: int) -> dict[str, list[str]]:
        """Type → groups that unsubscribed from it so long ago that they no longer keep its events."""
        try:
            return await unsubscribed_types.fetch(self._client, self._keys, types, now_ms, self._orphaned_ms)
        except ResponseError as error:  # no memory to record it, or no permission: then they keep all
            self._log.debug("trim_delayed", reason=str(error))
            return {}

    async def _ahead_ms(self, types: Sequence[str], now_ms: int) -> dict[str, int]:
        """Type → milliseconds by which the stream's last id is after the present time."""
        # Reads no earlier entries: replies would contain a body, of up to a megabyte, of every stream.
        future = [("XREVRANGE", self._keys.stream(name), "+", f"{now_ms + 1}-0", "COUNT", 1) for name in types]
        replies = await execute_all(self._client, future, raises=False)
        return {name: _lead_ms(reply, now_ms) for name, reply in zip(types, replies, strict=True)}

    def _call(self, event_type: str, now_ms: int, unsubscribed: Sequence[str], *, at_once: bool) -> scripts.Call:
        handled = EVERYTHING if at_once else f"{max(0, now_ms - self._handled_ms)}-0"
        orphaned = f"{max(0, now_ms - self._orphaned_ms)}-0"
        keys = (self._keys.stream(event_type), self._keys.groups, self._keys.patterns)
        patterns = " ".join(patterns_of(event_type))
        return scripts.Call(scripts.TRIM, keys, (patterns, handled, orphaned, self._max, STEP, *unsubscribed))

    def _report(self, types: list[str], counts: list[list[int]]) -> None:
        for name, (count, is_orphan) in zip(types, counts, strict=True):
            metrics.TRIMMED.labels("orphaned" if is_orphan else "handled").inc(count)
            if count and is_orphan:
                reason = "no group subscribes, and the events are older than worker.orphan_retention_s"
                self._log.warning("orphans_trimmed", type=name, events=count, reason=reason)

    async def unlink_old_days(self) -> None:
        """Unlink the day sets that have left the dedupe window. Raises RedisError, OSError.

        Works for all settings of ingest: the TTL, which begins with the first event of the day, outlasts the window by
        a day or more.
        """
        today = await registry.now_ms(self._client) // DAY_MS
        days = [self._keys.seen(today - ago) for ago in range(1, LONGEST_WINDOW_DAYS)]
        ttls = await execute_all(self._client, [("PTTL", day) for day in days])
        old = [day for day, ttl_ms in zip(days, ttls, strict=True) if 0 <= ttl_ms < DAY_MS]
        if old:
            await self._client.execute_command("UNLINK", *old)

    async def _is_memory_short(self) -> bool:
        return await memory.share_used(self._client) > PRESSURE


def _lead_ms(last: Any, now_ms: int) -> int:
    """Milliseconds by which an entry is after the present time; 0 without one, or if no clock can have made its id."""
    last_ms = int(last[0][0].partition(b"-")[0]) if isinstance(last, list) and last else now_ms
    return last_ms - now_ms if last_ms <= LAST_MS else 0

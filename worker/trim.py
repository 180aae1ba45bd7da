"""Trims streams by their slowest group, once a minute, and at once when memory is short.

What some group has not handled stays, whatever happens. What is handled stays for the retention time, for replay and
for groups that start from the past, but goes first when Redis is near its memory limit. Costs Redis one INFO in five
seconds, and one script call a stream and minute. Every worker does it: the call is idempotent.
"""

import asyncio
import time
from typing import Final

from redis.asyncio import Redis

from shared import log, scripts
from shared.backoff import jittered_s
from shared.clock import now_ms
from shared.connection import FAULTS, parse_info
from shared.keys import Keys
from worker.pause import pause

INTERVAL_S: Final = 60.0
LOOK_S: Final = 5.0
"""How often memory is looked at: a burst that fills a tenth of it faster is answered 503 for that long (a guess)."""
PRESSURE: Final = 0.9
"""Share of `maxmemory` above which handled events go at once."""


class Trimmer:
    """The streams of one shard. Retention times in seconds; `orphaned_s` is for streams that no group reads."""

    def __init__(
        self, client: Redis, keys: Keys, stopping: asyncio.Event, *, handled_s: float, orphaned_s: float
    ) -> None:
        self._client = client
        self._keys = keys
        self._stopping = stopping
        self._handled_ms = round(handled_s * 1000)
        self._orphaned_ms = round(orphaned_s * 1000)

    async def run(self) -> None:
        """Trim until stopping."""
        trim_at = time.monotonic() + jittered_s(INTERVAL_S)
        while not self._stopping.is_set():
            await pause(self._stopping, jittered_s(LOOK_S))
            try:
                is_short = await self._is_memory_short()
                if is_short or time.monotonic() >= trim_at:
                    await self.trim(at_once=is_short)
                    trim_at = time.monotonic() + jittered_s(INTERVAL_S)
            except FAULTS as error:
                log.get("worker.trim").debug("trim_delayed", reason=str(error))

    async def trim(self, *, at_once: bool = False) -> int:
        """Trim every stream now; how many entries went. `at_once`: no retention time for what was handled.

        Raises RedisError, OSError.
        """
        now = now_ms()
        handled_ms = 0 if at_once else self._handled_ms
        oldest = (f"{max(0, now - handled_ms)}-0", f"{max(0, now - self._orphaned_ms)}-0")
        types = await self._client.execute_command("SMEMBERS", self._keys.types)
        calls = [scripts.Call(scripts.TRIM, (self._keys.stream(name.decode()),), oldest) for name in types]
        return sum(result for result in await scripts.run_all(self._client, calls) if isinstance(result, int))

    async def _is_memory_short(self) -> bool:
        info = parse_info(await self._client.execute_command("INFO", "memory"))
        limit = int(info.get("maxmemory", 0))
        return limit > 0 and int(info["used_memory"]) > PRESSURE * limit

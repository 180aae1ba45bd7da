"""Trims streams by their slowest group, once a minute.

What some group has not handled stays, and what is handled stays for the retention time, for replay and for groups
that start from the past. Costs Redis one script call a stream and minute. Every worker does it: the call is idempotent.
"""

import asyncio
from typing import Final

from redis.asyncio import Redis

from shared import log, scripts
from shared.backoff import jittered_s
from shared.clock import now_ms
from shared.connection import FAULTS
from shared.keys import Keys
from worker.pause import pause

INTERVAL_S: Final = 60.0


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
        while not self._stopping.is_set():
            await pause(self._stopping, jittered_s(INTERVAL_S))
            try:
                await self.trim()
            except FAULTS as error:
                log.get("worker.trim").debug("trim_delayed", reason=str(error))

    async def trim(self) -> int:
        """Trim every stream now; how many entries went. Raises RedisError, OSError."""
        now = now_ms()
        oldest = (f"{max(0, now - self._handled_ms)}-0", f"{max(0, now - self._orphaned_ms)}-0")
        types = await self._client.execute_command("SMEMBERS", self._keys.types)
        calls = [scripts.Call(scripts.TRIM, (self._keys.stream(name.decode()),), oldest) for name in types]
        return sum(result for result in await scripts.run_all(self._client, calls) if isinstance(result, int))

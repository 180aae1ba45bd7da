"""Decides which worker of the bus does what one can do for all: trimming, and the watch for abandoned groups.

Each shard has a lease. Its holder renews it every three seconds, from the event loop: a loop that hangs does no chores
either. The others sleep until it can have expired, so that a worker costs Redis one script in three to ten seconds and
shard, and a dead holder is replaced within eleven. Two holders for a moment do no harm: every chore may run twice.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from ...shared import log, scripts
from ...shared.connection import FAULTS, Redis
from ...shared.keys import Keys
from ...shared.pause import pause

TTL_S: Final = 10.0
RENEW_S: Final = 3.0
"""Two renewals may be late or lost before the lease expires."""


class Chores:
    """The leases of this process, which is `consumer`."""

    def __init__(self, client: Redis, consumer: str, shards: Sequence[Keys], stopping: asyncio.Event) -> None:
        self._client = client
        self._consumer = consumer
        self._shards = shards
        self._stopping = stopping
        self._held: frozenset[Keys] = frozenset()

    def has(self, keys: Keys) -> bool:
        """Whether this process does the chores of a shard."""
        return keys in self._held

    async def run(self) -> None:
        """Take and renew leases until stopping."""
        while not self._stopping.is_set():
            try:
                wait_s = await self._ask()
            except FAULTS as error:
                self._held = frozenset()
                log.get("worker.chores").debug("query_delayed", reason=str(error))
                wait_s = RENEW_S
            await pause(self._stopping, wait_s)

    async def _ask(self) -> float:
        """Ask for every lease, in one round trip. Returns the seconds until the next time."""
        ttl_ms = round(TTL_S * 1000)
        calls = [scripts.Call(scripts.LEASE, (keys.chores,), (self._consumer, ttl_ms)) for keys in self._shards]
        results = await scripts.run_all(self._client, calls)
        # An error counts like a holder elsewhere that just renewed it.
        left_ms = [result if isinstance(result, int) else ttl_ms for result in results]
        self._held = frozenset(keys for keys, left in zip(self._shards, left_ms, strict=True) if not left)
        return RENEW_S if self._held else min(left_ms) / 1000

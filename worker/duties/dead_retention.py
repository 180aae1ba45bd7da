"""Drops the oldest dead letters of the groups that run here if the settings require it; by default none is dropped.

Each drop shows in a log line, a metric, and a count in Redis that `status` prints. Runs once a minute or more often and
costs two commands per group and shard when there is nothing to drop. Every worker does it; one script drops and counts
a letter. Letters that this release cannot read are kept and skipped, and a log line counts them.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from redis.exceptions import ResponseError

from ...shared import log, scripts
from ...shared.backoff import jittered_s
from ...shared.connection import FAULTS, Redis
from ...shared.keys import Keys
from ...shared.pause import pause
from ..dlq.bulk import BATCH
from ..dlq.moves import index
from ..dlq.query import DeadLetters, StoredLetter
from ..inventory import registry
from ..pipeline import metrics
from ..pipeline.unusable_keys import is_of_one_key
from ..settings import WorkerSettings

INTERVAL_S: Final = 60.0
SHARE: Final = 0.1
"""Maximum time between two rounds, as a share of the retention time."""
REPEAT_S: Final = 3600.0
"""Between two log lines about unreadable letters of a group."""


class DeadRetention:
    """Applies the retention to `groups`, the groups of this process."""

    def __init__(
        self,
        client: Redis,
        shards: Sequence[Keys],
        groups: Sequence[str],
        stopping: asyncio.Event,
        settings: WorkerSettings,
    ) -> None:
        self._client = client
        self._shards = shards
        self._groups = groups
        self._stopping = stopping
        self._age_ms = round(settings.dead_retention_s * 1000)
        self._max = settings.dead_retention_events
        self._interval_s = min(INTERVAL_S, SHARE * settings.dead_retention_s or INTERVAL_S)
        self._logged_at: dict[str, float] = {}
        self._log = log.get("worker.dead_retention")
        for group in groups:
            metrics.DROPPED.labels(group)

    async def run(self) -> None:
        """Drop until stopping; ends at once if the settings keep all letters."""
        while (self._age_ms or self._max) and not self._stopping.is_set():
            await pause(self._stopping, jittered_s(self._interval_s))
            try:
                await self.round()
            except FAULTS as error:
                self._log.debug("drop_delayed", reason=str(error))

    async def round(self) -> None:
        """Drop the letters that are due. Raises RedisError, OSError."""
        for group in self._groups:
            dropped = 0
            for keys in self._shards:
                try:
                    dropped += await self._drop(keys, group)
                except ResponseError as error:
                    if not is_of_one_key(error):
                        raise
                    self._log.debug("drop_delayed", reason=str(error), group=group)
            if dropped:
                metrics.DROPPED.labels(group).inc(dropped)
                reason = "older than worker.dead_retention_s, or more than worker.dead_retention_events"
                self._log.error("dead_letters_dropped", group=group, count=dropped, reason=reason)

    async def _drop(self, keys: Keys, group: str) -> int:
        """Drop the due letters of a group in a shard. Returns their number."""
        dropped = past = 0
        store = DeadLetters(self._client, self._shards, self._groups)
        while not self._stopping.is_set():
            until_ms = await registry.now_ms(self._client) - self._age_ms if self._age_ms else 0
            due = await self._due(keys, group, until_ms) - past
            if due <= 0:
                break
            letters, count = await store.oldest(keys, group, past, min(due, BATCH))
            results = await scripts.run_all(self._client, [_drop(dead, until_ms, self._max) for dead in letters])
            # Skip letters that cannot be read or dropped for the rest of this round. Letters that another worker
            # dropped, or that were dead-lettered again, are not there any more: skipping them would miss others.
            skipped = count - sum(not isinstance(result, Exception) for result in results)
            dropped, past = dropped + results.count(1), past + skipped
            if not skipped and 1 not in results:
                break  # others drop them, or changed them by hand
        self._log_unreadable(group, len(store.unreadable))
        return dropped

    def _log_unreadable(self, group: str, count: int) -> None:
        if count and time.monotonic() - self._logged_at.get(group, -REPEAT_S) >= REPEAT_S:
            self._logged_at[group] = time.monotonic()
            effect = "they are kept whatever the retention; the release that wrote them can read them"
            self._log.warning("dead_letters_unreadable", group=group, count=count, effect=effect)

    async def _due(self, keys: Keys, group: str, until_ms: int) -> int:
        """How many of the oldest letters are to be dropped."""
        aged = over = 0
        if until_ms:
            aged = await self._client.execute_command("ZCOUNT", keys.dead(group), "-inf", until_ms)
        if self._max:
            over = await self._client.execute_command("ZCARD", keys.dead(group)) - self._max
        return max(aged, over)


def _drop(dead: StoredLetter, until_ms: int, max_events: int) -> scripts.Call:
    keys = (*index(dead.keys, dead.group, dead.letter.fingerprint), dead.keys.dropped)
    args = (dead.name, dead.dead_lettered_ms, dead.letter.fingerprint, dead.group, until_ms, max_events)
    return scripts.Call(scripts.DROP, keys, args)

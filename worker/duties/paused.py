"""Applies the pauses of an operator, in every worker process of the group.

Runs once a second and before the first read; costs one HGETALL per group and shard. A paused type is not read;
deliveries that have not begun stay pending; running attempts end normally. Pauses are stored in Redis and survive all
restarts. While Redis is unreachable, the last state holds.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from redis.exceptions import ResponseError

from ...shared import log
from ...shared.connection import FAULTS, Redis
from ...shared.keys import Keys
from ...shared.pause import pause
from ..inventory.pauses import Paused, fetch
from ..pipeline.read import Reader
from ..pipeline.routes import matches
from ..pipeline.unusable_keys import UnusableKeys, is_of_one_key

INTERVAL_S: Final = 1.0
"""A pause takes effect within two seconds: one interval, and the time to end a blocking read."""


class Pauses:
    """Passes the pauses on to the readers of a group in one shard."""

    def __init__(
        self,
        client: Redis,
        keys: Keys,
        group: str,
        readers: Sequence[Reader],
        unusable_keys: UnusableKeys,
        stopping: asyncio.Event,
    ) -> None:
        self._client = client
        self._keys = keys
        self._group = group
        self._readers = readers
        self._unusable_keys = unusable_keys
        self._stopping = stopping
        self._patterns: dict[str, Paused] = {}
        self._log = log.get("worker.paused").bind(group=group)

    def covers(self, event_type: str) -> bool:
        """Whether a type was paused at the last `apply`."""
        return any(matches(pattern, event_type) for pattern in self._patterns)

    async def apply(self) -> None:
        """Read the pauses and pass them on. Raises RedisError, OSError."""
        key = self._keys.paused(self._group)
        try:
            patterns = await fetch(self._client, [self._keys], self._group)
        except ResponseError as error:
            if not is_of_one_key(error):
                raise
            self._unusable_keys.add(key, error)
            return  # the last state holds
        self._unusable_keys.remove(key)
        for reader in self._readers:
            # Every time, as new types appear.
            types = {name for name in reader.types if any(matches(pattern, name) for pattern in patterns)}
            await reader.pause(frozenset(types))
        before, self._patterns = self._patterns, patterns
        for pattern, paused in patterns.items():
            if pattern not in before:
                self._log.warning("paused", pattern=pattern, **({"reason": paused.reason} if paused.reason else {}))
        for pattern in before:
            if pattern not in patterns:
                self._log.info("resumed", pattern=pattern)

    async def run(self) -> None:
        """Apply the pauses until stopping."""
        while not self._stopping.is_set():
            try:
                await self.apply()
            except FAULTS as error:
                self._log.debug("query_delayed", reason=str(error))
            await pause(self._stopping, INTERVAL_S)

"""Holds back what an operator paused, in every worker process of the group.

Looks once a second, at the cost of one HGETALL a group and shard, and once before the first read. A paused type is not
read; what was read and has not begun waits, pending; what runs may end. Kept in Redis, so that it outlasts restarts of
everything. With Redis away the last known state holds.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from redis.exceptions import ResponseError

from ...shared import log
from ...shared.connection import FAULTS, Redis
from ...shared.keys import Keys
from ...shared.pause import pause
from ..inventory.pauses import fetch
from ..pipeline.read import Reader
from ..pipeline.routes import matches
from ..pipeline.unusable_keys import UnusableKeys, is_of_one_key

INTERVAL_S: Final = 1.0
"""A pause takes effect within two seconds: one look, and the read that is woken up."""


class Pauses:
    """Tells the readers of a group in one shard."""

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
        self._known: list[str] = []
        self._log = log.get("worker.paused").bind(group=group)

    def covers(self, event_type: str) -> bool:
        """Whether a type was paused when we last looked."""
        return any(matches(pattern, event_type) for pattern in self._known)

    async def apply(self) -> None:
        """Look, and tell. Raises RedisError, OSError."""
        key = self._keys.paused(self._group)
        try:
            patterns = list(await fetch(self._client, [self._keys], self._group))
        except ResponseError as error:
            if not is_of_one_key(error):
                raise
            self._unusable_keys.add(key, error)
            return  # what was known before holds
        self._unusable_keys.remove(key)
        for reader in self._readers:
            # Each time, as types appear.
            types = {name for name in reader.types if any(matches(pattern, name) for pattern in patterns)}
            await reader.pause(frozenset(types))
        before, self._known = self._known, patterns
        for pattern in patterns:
            if pattern not in before:
                self._log.warning("paused", pattern=pattern)
        for pattern in before:
            if pattern not in patterns:
                self._log.info("resumed", pattern=pattern)

    async def run(self) -> None:
        """Look until stopping."""
        while not self._stopping.is_set():
            try:
                await self.apply()
            except FAULTS as error:
                self._log.debug("query_delayed", reason=str(error))
            await pause(self._stopping, INTERVAL_S)

"""Applies the pauses of an operator, in every worker process of the group.

Runs after each look at the shard, and before the first read. A paused type is not read; deliveries that have not begun
stay pending; running attempts end normally. Pauses are stored in Redis and survive all restarts.
"""

import asyncio
from collections.abc import Mapping

from ...shared import log
from ...shared.connection import FAULTS
from ...shared.patterns import matches
from ..inventory.pauses import Paused
from ..pipeline.read import Reader
from .look import Lookout


class Pauses:
    """Passes the pauses on to the reader of a group in one shard."""

    def __init__(self, lookout: Lookout, group: str, reader: Reader, stopping: asyncio.Event) -> None:
        self._lookout = lookout
        self._group = group
        self._reader = reader
        self._stopping = stopping
        self._patterns: Mapping[str, Paused] = {}
        self._log = log.get("worker.paused").bind(group=group)

    def covers(self, event_type: str) -> bool:
        """Whether a type was paused at the last `apply`."""
        return any(matches(pattern, event_type) for pattern in self._patterns)

    async def apply(self) -> None:
        """Pass on the pauses of the last look. Raises RedisError, OSError."""
        patterns = self._lookout.last.paused.get(self._group, {})
        # Every time, as new types appear.
        types = {name for name in self._reader.types if any(matches(pattern, name) for pattern in patterns)}
        await self._reader.pause(frozenset(types))
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
            look = self._lookout.last
            try:
                await self.apply()
            except FAULTS as error:
                self._log.debug("query_delayed", reason=str(error))
            await self._lookout.after(look)

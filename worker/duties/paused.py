"""Applies the pauses of an operator, in every worker process of the group.

Runs after each look at the shard, and before the first read. A paused type is not read; deliveries that have not begun
stay pending; running attempts end normally. Pauses are stored in Redis and survive all restarts.
"""

from collections.abc import Mapping

from ...shared import log
from ..inventory.pauses import Paused
from ..pipeline.group_context import GroupContext
from ..pipeline.read import Reader
from .look import Look, Lookout


class Pauses:
    """Passes the pauses on to the reader of a group in one shard."""

    def __init__(self, here: GroupContext, lookout: Lookout, reader: Reader) -> None:
        self._here = here
        self._lookout = lookout
        self._reader = reader
        self._patterns: Mapping[str, Paused] = {}
        self._log = log.get("worker.paused").bind(group=here.group)

    async def apply(self, look: Look) -> None:
        """Pass on the pauses of a look. Raises RedisError, OSError."""
        patterns = look.paused.get(self._here.group, {})
        await self._reader.pause(frozenset(patterns))
        before, self._patterns = self._patterns, patterns
        for pattern, paused in patterns.items():
            if pattern not in before:
                self._log.warning("paused", pattern=pattern, **({"reason": paused.reason} if paused.reason else {}))
        for pattern in before:
            if pattern not in patterns:
                self._log.info("resumed", pattern=pattern)

    async def run(self) -> None:
        """Apply the pauses until stopping."""
        await self._lookout.each(self.apply, logger=self._log)

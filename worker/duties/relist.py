"""Lists redelivery streams that the list of their shard lacks: workers that do not read one yet would never find it.

The list is gone when an operator deletes or renames it. Runs once a minute, and at once in a worker that takes the
lease over (see `chores`); costs Redis one EXISTS for a thousand pairs of a group and a type.
"""

import asyncio
from typing import Final

from ...shared import log, scripts
from ...shared.connection import FAULTS, Redis
from ...shared.keys import Keys
from ...shared.pause import pause
from ..inventory import redeliveries
from .chores import Chores

INTERVAL_S: Final = 60.0
POLL_S: Final = 1.0
"""Between two looks whether this process holds the lease, and between two tries."""
TYPES_LOGGED: Final = 20


class Relister:
    """The redelivery streams of one shard, of all groups."""

    def __init__(self, client: Redis, keys: Keys, chores: Chores, stopping: asyncio.Event) -> None:
        self._client = client
        self._keys = keys
        self._chores = chores
        self._stopping = stopping
        self._log = log.get("worker.relist")

    async def run(self) -> None:
        """List until stopping."""
        while not self._stopping.is_set():
            wait_s = POLL_S
            if self._chores.has(self._keys):
                try:
                    await self.relist()
                    wait_s = INTERVAL_S
                except FAULTS as error:
                    self._log.debug("query_delayed", reason=str(error))
            await pause(self._stopping, wait_s)

    async def relist(self) -> None:
        """List what is missing now. Raises RedisError, OSError."""
        found = await redeliveries.unlisted(self._client, self._keys)
        calls = [redeliveries.relist(self._keys, group, event_type) for group, event_type in found]
        results = await scripts.run_all(self._client, calls)
        relisted: dict[str, list[str]] = {}
        for (group, event_type), result in zip(found, results, strict=True):
            if result in (b"there", b"created"):
                relisted.setdefault(group, []).append(event_type)
        for group, types in relisted.items():
            reason = "the list of redelivery streams was deleted, renamed, or refused by Redis"
            self._log.warning("redeliveries_relisted", group=group, types=types[:TYPES_LOGGED], reason=reason)

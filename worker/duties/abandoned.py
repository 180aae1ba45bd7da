"""Warns of abandoned groups, which no worker serves any more: their unhandled events are never trimmed and fill Redis.

Runs once a minute in one worker of the bus (see `chores`) and costs three commands per shard; it fetches the whole
status only when a group has been silent for long. Logs a group once an hour. Changes nothing: only an operator runs
`hookbus-worker forget`.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from ...shared import log, scripts
from ...shared.backoff import jittered_s
from ...shared.connection import FAULTS, Redis
from ...shared.keys import Keys
from ...shared.pause import pause
from ..inspect import status
from ..inspect.group_status import GroupStatus
from ..inventory import registry
from .chores import Chores

INTERVAL_S: Final = 60.0
REPEAT_S: Final = 3600.0
"""Between two log lines about one group."""


class AbandonedGroups:
    """Checks all groups in all shards, not only those of this process."""

    def __init__(self, client: Redis, shards: Sequence[Keys], chores: Chores, stopping: asyncio.Event) -> None:
        self._client = client
        self._shards = shards
        self._chores = chores
        self._stopping = stopping
        self._logged_at: dict[str, float] = {}
        self._log = log.get("worker.abandoned")

    async def run(self) -> None:
        """Check until stopping."""
        while not self._stopping.is_set():
            await pause(self._stopping, jittered_s(INTERVAL_S))
            if not self._chores.has(self._shards[0]):
                continue
            try:
                await self.fetch()
            except FAULTS as error:
                self._log.debug("query_delayed", reason=str(error))

    async def fetch(self) -> None:
        """Check once. Raises RedisError, OSError."""
        abandoned: dict[str, GroupStatus] = {}
        if await self._is_any_silent():
            groups = (await status.fetch(self._client, len(self._shards))).groups
            abandoned = {name: group for name, group in groups.items() if group.abandoned_s is not None}
        for name, group in abandoned.items():
            self._warn(name, group)
        for name in self._logged_at.keys() - abandoned:
            del self._logged_at[name]

    async def _is_any_silent(self) -> bool:
        """Whether a group has been silent for long.

        Also records the present time for groups of older releases, which have no time of last activity.
        """
        now_ms = await registry.now_ms(self._client)
        oldest_ms = now_ms
        for keys in self._shards:
            groups = await self._client.execute_command("HKEYS", keys.groups)
            if not groups:
                continue
            worked_at = await self._client.execute_command("HMGET", keys.worked, *groups)
            for group, worked_ms in zip(groups, worked_at, strict=True):
                if worked_ms is None:
                    call = scripts.Call(scripts.ENTER, (keys.groups, keys.worked), (group, now_ms))
                    await scripts.run(self._client, call)
                else:
                    oldest_ms = min(oldest_ms, int(worked_ms))
        return now_ms - oldest_ms >= status.ABANDONED_S * 1000

    def _warn(self, name: str, group: GroupStatus) -> None:
        now = time.monotonic()
        if now - self._logged_at.get(name, -REPEAT_S) < REPEAT_S:
            return
        self._logged_at[name] = now
        self._log.warning(
            "group_abandoned",
            group=name,
            silent_s=round(group.abandoned_s or 0),
            unhandled=group.unhandled,
            effect="its unhandled events and all later ones are kept, and fill Redis",
            remedy=f"start its workers, or: hookbus-worker forget {name}",
        )

"""Warns of groups that nobody works for any more: what they have not handled is never trimmed, and fills Redis.

Looks once a minute, at the cost of three commands a shard; only when a group is long silent does it ask for the whole
status. Each process says it once an hour and group. Changes nothing: `hookbus-worker forget` is for people.
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
from ..inspect.status import GroupStatus
from ..inventory import registry

INTERVAL_S: Final = 60.0
REPEAT_S: Final = 3600.0
"""Between two log lines about one group."""


class AbandonedGroups:
    """All groups in all shards, whether they are this process's or not."""

    def __init__(self, client: Redis, shards: Sequence[Keys], stopping: asyncio.Event) -> None:
        self._client = client
        self._shards = shards
        self._stopping = stopping
        self._said_at: dict[str, float] = {}
        self._log = log.get("worker.abandoned")

    async def run(self) -> None:
        """Look until stopping."""
        while not self._stopping.is_set():
            await pause(self._stopping, jittered_s(INTERVAL_S))
            try:
                await self.fetch()
            except FAULTS as error:
                self._log.debug("query_delayed", reason=str(error))

    async def fetch(self) -> None:
        """Look once. Raises RedisError, OSError."""
        found: dict[str, GroupStatus] = {}
        if await self._is_somebody_silent():
            everything = (await status.fetch(self._client, len(self._shards))).groups
            found = {name: group for name, group in everything.items() if group.abandoned_s is not None}
        for name, group in found.items():
            self._warn(name, group)
        for name in self._said_at.keys() - found:
            del self._said_at[name]

    async def _is_somebody_silent(self) -> bool:
        """Also enters groups without a last sign, as older releases left them: they are silent from now on."""
        now_ms = await registry.now_ms(self._client)
        oldest_ms = now_ms
        for keys in self._shards:
            groups = await self._client.execute_command("HKEYS", keys.groups)
            if not groups:
                continue
            signs = await self._client.execute_command("HMGET", keys.worked, *groups)
            for group, sign in zip(groups, signs, strict=True):
                if sign is None:
                    call = scripts.Call(scripts.ENTER, (keys.groups, keys.worked), (group, now_ms))
                    await scripts.run(self._client, call)
                else:
                    oldest_ms = min(oldest_ms, int(sign))
        return now_ms - oldest_ms >= status.ABANDONED_S * 1000

    def _warn(self, name: str, group: GroupStatus) -> None:
        now = time.monotonic()
        if now - self._said_at.get(name, -REPEAT_S) < REPEAT_S:
            return
        self._said_at[name] = now
        self._log.warning(
            "group_abandoned",
            group=name,
            silent_s=round(group.abandoned_s or 0),
            unhandled=group.unhandled,
            effect="its events stay, and those that came after them",
            remedy=f"start its workers, or: hookbus-worker forget {name}",
        )

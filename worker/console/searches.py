"""Searches for events: one at a time, since each reads through up to 200,000 of them and Redis serves others, too."""

import asyncio
from typing import Final

from ...shared.command import FailedError
from ...shared.connection import Redis
from ..find import search
from ..find.search import Found

MAX_WAITING: Final = 5
"""A search takes a second at most, as measured: whoever waits behind more would rather ask again."""


class BusyError(FailedError):
    """So many wait that another would not have its turn."""


class Searches:
    """The searches of this process."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def find(self, client: Redis, shards: int, name: str) -> Found:
        """As `hookbus-worker find` does, without its options. Raises BusyError, ConfigError, RedisError, OSError."""
        if self._waiting >= MAX_WAITING:
            raise BusyError(f"{MAX_WAITING} others wait for a search: try again in some seconds")
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            return await search.find(client, shards, name)
        finally:
            self._turn.release()

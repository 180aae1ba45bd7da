"""The XREADGROUPs of one consumer on one connection, and how a blocking one is ended from another connection."""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ...shared import log
from ...shared.connection import FAULTS
from ...shared.lazy_task import lazy_task
from ...shared.raw_connection import Command, RawConnection
from .group_context import GroupContext
from .plan import Ask

UNBLOCK_RETRY_S: Final = 0.02
"""Between two calls to end a read that has not begun in Redis yet."""


class StreamReads:
    """One at a time, on `connection`."""

    def __init__(self, here: GroupContext, connection: RawConnection) -> None:
        self._here = here
        self._connection = connection
        self._client_id = 0
        self._reading_since: float | None = None
        self._waking: asyncio.Task[None] | None = None

    async def greet(self) -> None:
        """Learn the name of the connection, once for each that is made. Raises RedisError, OSError."""
        self._client_id = await self._connection.execute_command("CLIENT", "ID")

    def silent_s(self) -> float:
        """Seconds since the current read began; 0 while there is none."""
        return 0.0 if self._reading_since is None else time.monotonic() - self._reading_since

    async def one(self, ask: Ask) -> Any:
        """Read, and wait as long as it asks. Raises RedisError, OSError."""
        with self._reading():
            return await self._connection.execute_command(*self._command(ask))

    async def all(self, asks: Sequence[Ask]) -> list[Any]:
        """Read in one round trip, without waiting; the error of a refused read is in its place. Raises as `one`."""
        with self._reading():
            return await self._connection.execute_all([self._command(ask) for ask in asks])

    async def wake(self) -> None:
        """End a blocking read cleanly; a cancelled read would lose its entries on the dead connection.

        CLIENT UNBLOCK on one connection may overtake the read on the other, so it is repeated until it takes effect.
        """
        read = self._reading_since
        while read is not None and self._reading_since == read:
            if await self._here.client.execute_command("CLIENT", "UNBLOCK", self._client_id):
                return
            await asyncio.sleep(UNBLOCK_RETRY_S)

    def wake_soon(self) -> None:
        """End a blocking read without waiting for that."""
        if self._waking is None:
            self._waking = lazy_task(self._wake_quietly())

    async def ended(self) -> None:
        """Wait until nothing is sent any more for `wake_soon`."""
        if self._waking is not None:
            await self._waking

    async def _wake_quietly(self) -> None:
        try:
            await self.wake()
        except FAULTS as error:  # the read ends by itself within two seconds
            log.get("worker.read").debug("query_delayed", reason=str(error), group=self._here.group)
        finally:
            self._waking = None

    def _command(self, ask: Ask) -> Command:
        block = ("BLOCK", ask.block_ms) if ask.block_ms else ()
        names = ask.streams
        options = ("COUNT", ask.count, *block, "STREAMS", *names, *[b">"] * len(names))
        return ("XREADGROUP", "GROUP", self._here.group, self._here.consumer, *options)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        self._reading_since = time.monotonic()
        try:
            yield
        finally:
            self._reading_since = None

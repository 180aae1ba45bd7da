"""Bulk moves in batches: progress, rate limit and stop apply between two batches."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec
from redis.exceptions import OutOfMemoryError

from ...shared.command import FailedError
from ...shared.connection import FAULTS
from ...shared.pause import pause

BATCH: Final = 200
"""Items per round trip: some milliseconds of Redis' time, and the most that a lost connection leaves in doubt."""

Item = TypeVar("Item")


class Tally(msgspec.Struct):
    """Counts of a bulk move. `gone`: another tool moved it first, it was dead-lettered again, or it already existed.
    `reached_ms` of a move in the order of time: all that is older is done, Unix ms; else 0. `waits`: why it waits now.
    """

    moved: int = 0
    gone: int = 0
    reached_ms: int = 0
    waits: str = ""

    @property
    def done(self) -> int:
        """What it has come to: moved, or gone before."""
        return self.moved + self.gone

    def add(self, results: Sequence[Any]) -> None:
        """Count a batch. Raises FailedError for the first refused move in it."""
        self.moved += sum(result == 1 for result in results)
        self.gone += sum(result == 0 for result in results)
        for result in results:
            if isinstance(result, Exception):
                raise FailedError(f"{_refusal(result)}; {self.moved} moved before that")


def _refusal(error: Exception) -> str:
    if isinstance(error, OutOfMemoryError):
        return "Redis is full: raise maxmemory, or discard dead letters, which takes none"
    return f"Redis: {error}"


async def move_all(
    batches: AsyncIterator[list[Item]],
    move: Callable[[Sequence[Item]], Awaitable[list[Any]]],
    *,
    rate: float,
    stopping: asyncio.Event,
    progressed: Callable[[Tally], None],
) -> Tally:
    """Move batch after batch until none is left or `stopping` is set; `rate` is items per second, 0 for no limit.

    `move` returns 1 for each moved item, 0 for each that was gone, or an exception in its place. Raises FailedError,
    which contains the number of moved items.
    """
    tally = Tally()
    started = time.monotonic()
    try:
        async for batch in batches:
            tally.add(await move(batch))
            progressed(tally)
            if rate:
                await pause(stopping, max(0.0, started + tally.done / rate - time.monotonic()))
            if stopping.is_set():
                break
    except FAULTS as error:
        text = str(error) or type(error).__name__
        raise FailedError(f"Redis: {text}; {tally.moved} moved before, and perhaps some of the next {BATCH}") from None
    return tally


def batch_for(rate: float) -> int:
    """The batch size for a rate: at most one second's worth."""
    return max(1, min(BATCH, int(rate))) if rate else BATCH

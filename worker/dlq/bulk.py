"""Bulk work of the tools: batch after batch, so that it can be watched, paced and stopped between two."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ...shared.command import FailedError
from ...shared.connection import FAULTS
from ...shared.pause import pause

BATCH: Final = 200
"""Things moved in one round trip: some milliseconds of Redis' time, and what a lost connection leaves in doubt."""

Thing = TypeVar("Thing")


@dataclass(slots=True)
class Tally:
    """What a bulk move has come to. `gone`: somebody else moved it first, or it died again, or it was there already."""

    moved: int = 0
    gone: int = 0

    def add(self, results: Sequence[Any]) -> None:
        """Count a batch; raises FailedError for the first refused move in it."""
        self.moved += sum(result == 1 for result in results)
        self.gone += sum(result == 0 for result in results)
        for result in results:
            if isinstance(result, Exception):
                raise FailedError(f"Redis: {result}; {self.moved} went before that")


async def move_all(
    batches: AsyncIterator[list[Thing]],
    move: Callable[[Sequence[Thing]], Awaitable[list[Any]]],
    *,
    rate: float,
    stopping: asyncio.Event,
    progressed: Callable[[Tally], None],
) -> Tally:
    """Move batch after batch until there are no more, or until stopping; `rate` is things per second, 0 for no limit.

    `move` returns 1 for each thing that went, 0 for each that was gone, or an exception in its place. Raises
    FailedError, which says how many went.
    """
    tally = Tally()
    started = time.monotonic()
    try:
        async for batch in batches:
            tally.add(await move(batch))
            progressed(tally)
            if rate:
                await pause(stopping, max(0.0, started + (tally.moved + tally.gone) / rate - time.monotonic()))
            if stopping.is_set():
                break
    except FAULTS as error:
        text = str(error) or type(error).__name__
        raise FailedError(f"Redis: {text}; {tally.moved} went before, of the next {BATCH} perhaps some") from None
    return tally


def batch_for(rate: float) -> int:
    """How many things to move at once: at most a second's worth."""
    return max(1, min(BATCH, int(rate))) if rate else BATCH

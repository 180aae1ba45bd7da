"""Progress of a bulk move: a bar on a terminal, otherwise a line every few seconds."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final

from rich.progress import Progress

from ...shared import output
from ..dlq.bulk import Item, Tally, move_all

REPORT_S: Final = 10.0
"""Interval of the lines without a terminal; they remain as a record when the process is killed."""


async def move_watched(
    title: Callable[[], str],
    batches: AsyncIterator[list[Item]],
    move: Callable[[Sequence[Item]], Awaitable[list[Any]]],
    *,
    total: int,
    rate: float,
    stopping: asyncio.Event,
) -> Tally:
    """Run `move_all` and show its progress. `title` is called after each batch. Raises FailedError."""
    console = output.console(stderr=True)
    reported_at = time.monotonic()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(title(), total=total)

        def progressed(tally: Tally) -> None:
            nonlocal reported_at
            done = tally.moved + tally.gone
            progress.update(bar, completed=done, description=title())
            if not console.is_terminal and time.monotonic() - reported_at >= REPORT_S:
                reported_at = time.monotonic()
                print(f"{title()}: {done:,} of {total:,}", file=sys.stderr)

        return await move_all(batches, move, rate=rate, stopping=stopping, progressed=progressed)

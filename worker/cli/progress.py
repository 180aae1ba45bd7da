"""Shows how far a bulk move is: a bar on a terminal, elsewhere a line now and then."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final

from rich.progress import Progress

from ...shared import output
from ..dlq.bulk import Tally, Thing, move_all

SAY_S: Final = 10.0
"""Between two lines where there is no terminal: what is known of a move whose process was killed."""


async def move_watched(
    title: Callable[[], str],
    batches: AsyncIterator[list[Thing]],
    move: Callable[[Sequence[Thing]], Awaitable[list[Any]]],
    *,
    total: int,
    rate: float,
    stopping: asyncio.Event,
) -> Tally:
    """As `move_all`, where somebody can watch. `title` is asked after each batch. Raises FailedError."""
    console = output.console(stderr=True)
    said_at = time.monotonic()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(title(), total=total)

        def progressed(tally: Tally) -> None:
            nonlocal said_at
            done = tally.moved + tally.gone
            progress.update(bar, completed=done, description=title())
            if not console.is_terminal and time.monotonic() - said_at >= SAY_S:
                said_at = time.monotonic()
                print(f"{title()}: {done:,} of {total:,}", file=sys.stderr)

        return await move_all(batches, move, rate=rate, stopping=stopping, progressed=progressed)

"""Progress of a bulk move: a bar on a terminal, otherwise a line every few seconds."""

import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ...shared import output
from ..dlq.bulk import Tally

REPORT_S: Final = 10.0
"""Interval of the lines without a terminal; they remain as a record when the process is killed."""

Progressed = Callable[[Tally], None]


async def watched(run: Callable[[Progressed], Awaitable[Tally]], *, title: Callable[[], str], total: int) -> Tally:
    """Run a move, which reports its progress, and show that. `title` is called after each batch."""
    console = output.console(stderr=True)
    reported_at = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,} of {task.total:,}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(title(), total=total)

        def progressed(tally: Tally) -> None:
            nonlocal reported_at
            done = tally.done
            progress.update(bar, completed=done, description=title())
            if not console.is_terminal and time.monotonic() - reported_at >= REPORT_S:
                reported_at = time.monotonic()
                print(f"{title()}: {done:,} of {total:,}", file=sys.stderr)

        return await run(progressed)

"""`hookbus-worker status`: for people, as one JSON object, or on a screen that is redrawn."""

import asyncio
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ...shared import clock, output
from ...shared.clock import now_ms
from ...shared.command import Stopping, run_service
from ...shared.connection import FAULTS, Redis
from ...shared.pause import pause
from ..inspect import status as state
from . import options
from .options import Config, Json

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

INTERVAL_S: Final = 2.0


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Redraw every 2 s until Ctrl-C.")] = False,
    is_all: Annotated[bool, typer.Option("--all", help="Also types of which nothing waits.")] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Show the groups, worst first: what is wrong, and which types have a backlog or deliveries in flight."""
    if watch and as_json:
        raise typer.BadParameter("--watch cannot be combined with --json; run status --json repeatedly instead")
    if watch:
        run_service(lambda stopping: _watch(config, stopping, is_all=is_all))
    else:
        asyncio.run(_once(config, as_json, is_all=is_all))


async def _once(config: Path | None, as_json: bool, *, is_all: bool) -> None:
    async with options.connected(config, "status") as (client, shards):
        current = await state.fetch(client, shards)
    if as_json:
        output.print_json(current)
        return
    from . import status_view

    console = output.console()
    console.print(status_view.page(current, now_ms(), console, is_all=is_all), end="")


async def _watch(config: Path | None, stopping: Stopping, *, is_all: bool) -> None:
    from rich.live import Live

    async with options.connected(config, "status") as (client, shards):
        console = output.console()
        with Live(console=console, auto_refresh=False, screen=True) if console.is_terminal else nullcontext() as live:
            while not stopping.is_set():
                output.require_reader()
                frame = await _frame(client, shards, console, is_all=is_all)
                if live is not None:
                    live.update(frame, refresh=True)
                else:
                    console.print(frame)
                await pause(stopping, INTERVAL_S)


async def _frame(client: Redis, shards: int, console: "Console", *, is_all: bool) -> "RenderableType":
    """The status, or the error: a Redis that is unreachable for a moment does not end the watch."""
    from rich.text import Text

    from . import status_view

    try:
        await clock.follow_redis(client.execute_command)  # the monotonic clock stops while a laptop sleeps
        current = await state.fetch(client, shards)
    except FAULTS as error:
        return Text(output.line(f"Redis: {error or type(error).__name__}"), "red")
    show = status_view.screenful if console.is_terminal else status_view.page
    return show(current, now_ms(), console, is_all=is_all)

"""`hookbus-worker actions`: who changed what, when and why."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from ...shared import output
from .. import audit
from ..audit import Entry
from . import blocks, options
from .blocks import Block, block
from .options import Config, Json, Limit

Since = Annotated[str, typer.Option(help="Only those that ended since: 15m, 2h, 3d ago, or an ISO time (UTC).")]


def actions(since: Since = "", limit: Limit = 50, as_json: Json = False, config: Config = None) -> None:
    """Show who changed what, by which command or in the console, and why; newest first."""
    entries = asyncio.run(_fetch(config, limit, options.moment(config, "--since", since, 0)))
    if as_json:
        for entry in entries:
            output.print_json(entry)
    elif entries:
        blocks.show(map(_block, entries))
    else:
        print("no actions since then" if since else "no actions")


async def _fetch(config: Path | None, limit: int, since_ms: int) -> list[Entry]:
    async with options.connected(config, "actions") as (client, _):
        return await audit.fetch(client, limit, since_ms)


def _block(entry: Entry) -> Block:
    title = Text(output.moment(entry.begun_ms)).append(f"  {output.one_line(command(entry))}", "bold")
    person = f"{entry.who}{'' if entry.via == 'tool' else f', by the {entry.via}'}"
    about = Text(output.one_line(result(entry)), _style(entry))
    about.append(output.one_line(f" · {person}{f': {entry.why}' if entry.why else ''}"), "dim")
    return block(title, [about])


def command(entry: Entry) -> str:
    """The verb with its filter, as options."""
    words = [f"--{name} {value}" for name, values in entry.criteria.items() for value in values]
    return " ".join((entry.verb, *words))


def result(entry: Entry) -> str:
    """How an action ended, in a few words."""
    if not entry.result:
        return "no end recorded: it runs, or was killed"
    count = entry.matching if entry.moved is None and entry.result == "done" else entry.moved
    moved = "" if count is None else f"{count:,}"
    if count is not None and entry.matching not in (None, count):
        moved += f" of {entry.matching:,}"
    return ": ".join(filter(None, (entry.result, moved, entry.error)))


def _style(entry: Entry) -> str:
    return {"failed": "red", "stopped": "yellow", "": "yellow"}.get(entry.result, "")

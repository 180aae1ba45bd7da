"""`hookbus-worker pause` and `resume`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from ...shared import output
from ..groups import pausing
from ..groups.pausing import Change
from ..inventory import pauses
from . import options
from .options import Config, Json
from .recorded import Why, action, warn

Group = Annotated[str, typer.Argument(help="The group.")]
Pattern = Annotated[
    str, typer.Argument(metavar="[TYPE]", help="A type, or 'prefix.*'; every type by default.", show_default=False)
]


def pause(
    group: Group,
    pattern: Pattern = pauses.ALL,
    force: Annotated[bool, typer.Option("--force", help="Also a pattern that matches no type of the group.")] = False,
    why: Why = "",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Suspend delivery to a group, or of a type of it; events are kept, running handlers finish."""
    asyncio.run(_run(config, Change("pause", group, pattern, why, force), as_json=as_json))


def resume(
    group: Group, pattern: Pattern = pauses.ALL, why: Why = "", as_json: Json = False, config: Config = None
) -> None:
    """Resume delivery to a group, or of a type of it, and end its open breakers and holds."""
    asyncio.run(_run(config, Change("resume", group, pattern, why), as_json=as_json))


async def _run(config: Path | None, change: Change, *, as_json: bool) -> None:
    options.pattern(change.pattern)
    async with options.dead_letters(config) as (client, store):
        done = await pausing.run(client, store, change, action(change.verb, change.criteria, change.why), warn)
    if as_json:
        lists = {"changed": done.changed, "closed": done.closed, "paused": done.paused}
        output.print_json({"group": change.group, **lists})
    else:
        print("\n".join(done.sentences))

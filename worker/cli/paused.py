"""`hookbus-worker pause` and `resume`."""

import asyncio
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from ...shared import output
from ...shared.command import FailedError
from ..dlq import unsubscribed
from ..inventory import open_breakers, pauses
from ..pipeline.routes import matches
from . import options
from .options import Config, Json

Group = Annotated[str, typer.Argument(help="The group.")]
Pattern = Annotated[
    str, typer.Argument(metavar="[TYPE]", help="A type, or 'prefix.*'; all by default.", show_default=False)
]

EFFECT: Final = "within two seconds"


def pause(
    group: Group,
    pattern: Pattern = pauses.ALL,
    force: Annotated[bool, typer.Option("--force", help="Also what the group is not known to get.")] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Deliver nothing to a group, or nothing of a type; events are kept, handlers that run may end."""
    asyncio.run(_write(config, group, pattern, is_pause=True, is_forced=force, as_json=as_json))


def resume(group: Group, pattern: Pattern = pauses.ALL, as_json: Json = False, config: Config = None) -> None:
    """Deliver again. Without a type: all that was paused of the group. Closes open breakers too."""
    asyncio.run(_write(config, group, pattern, is_pause=False, is_forced=True, as_json=as_json))


async def _write(
    config: Path | None, group: str, pattern: str, *, is_pause: bool, is_forced: bool, as_json: bool
) -> None:
    options.pattern(pattern)
    async with options.dead_letters(config) as (client, store):
        store.require(group)
        if not is_forced and pattern != pauses.ALL:
            _require_covered(group, pattern, await unsubscribed.known_types(client, store.shards, group))
        changed = await (pauses.write if is_pause else pauses.erase)(client, store.shards, group, pattern)
        closed = [] if is_pause else await open_breakers.close(client, group, pattern)
        left = list(await pauses.fetch(client, store.shards, group))
    if as_json:
        output.print_json({"group": group, "changed": changed, "closed": closed, "paused": left})
    else:
        print(_told(group, changed, left, is_pause=is_pause))
        if closed:
            print(f"{group}: breaker of {', '.join(closed)} closed {EFFECT}")


def _require_covered(group: str, pattern: str, types: Sequence[str]) -> None:
    """Raises FailedError for a pattern that holds nothing back, as one that is misspelt."""
    if any(matches(pattern, name) for name in types):
        return
    prefixes = {f"{name[:i]}.*" for name in types for i, char in enumerate(name) if char == "."}
    near = difflib.get_close_matches(pattern, prefixes if pattern.endswith("*") else types, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise FailedError(f"{group} gets nothing that is {pattern}, so nothing was paused (--force pauses it){hint}")


def _told(group: str, changed: list[str], left: list[str], *, is_pause: bool) -> str:
    what = ", ".join(changed)
    if is_pause:
        text = f"{group}: {what} paused {EFFECT}" if changed else f"{group}: was paused before"
    else:
        text = f"{group}: {what} resumed {EFFECT}" if changed else f"{group}: nothing of that was paused"
    return f"{text}; paused now: {', '.join(left) or 'nothing'}"

"""`hookbus-worker pause` and `resume`."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from ...shared import output
from ...shared.command import FailedError
from ...shared.nearest import did_you_mean
from ...shared.patterns import matches
from .. import audit
from ..dlq import unsubscribed
from ..inventory import pauses, registry, suspensions
from . import options
from .options import Config, Json
from .recorded import Why, action, recorded

Group = Annotated[str, typer.Argument(help="The group.")]
Pattern = Annotated[
    str, typer.Argument(metavar="[TYPE]", help="A type, or 'prefix.*'; every type by default.", show_default=False)
]

EFFECT: Final = "within two seconds"
MOST_NAMED: Final = 10
"""Subscriptions named after a pause: as many as a person reads."""


def pause(
    group: Group,
    pattern: Pattern = pauses.ALL,
    force: Annotated[bool, typer.Option("--force", help="Also a pattern that matches no type of the group.")] = False,
    why: Why = "",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Suspend delivery to a group, or of a type of it; events are kept, running handlers finish."""
    asyncio.run(_write(config, group, pattern, why, is_pause=True, is_forced=force, as_json=as_json))


def resume(
    group: Group, pattern: Pattern = pauses.ALL, why: Why = "", as_json: Json = False, config: Config = None
) -> None:
    """Resume delivery to a group, or of a type of it, and end its open breakers and holds."""
    asyncio.run(_write(config, group, pattern, why, is_pause=False, is_forced=True, as_json=as_json))


async def _write(
    config: Path | None, group: str, pattern: str, why: str, *, is_pause: bool, is_forced: bool, as_json: bool
) -> None:
    options.pattern(pattern)
    async with options.dead_letters(config) as (client, store):
        store.require(group)
        if not is_forced and pattern != pauses.ALL:
            _require_covered(group, pattern, await unsubscribed.known_types(client, store.shards, group))
        started = action("pause" if is_pause else "resume", audit.options(group=group, type=pattern), why)
        async with recorded(client, started) as progress:
            if is_pause:
                changed, closed = await pauses.write(client, store.shards, group, pattern, why), []
            else:
                changed = await pauses.erase(client, store.shards, group, pattern)
                closed = await suspensions.end(client, group, pattern)
            progress.set(len(changed) + len(closed))
            paused = list(await pauses.fetch(client, store.shards, group))
            if not is_pause and not changed and not closed:
                raise FailedError(_unpaused(group, pattern, paused))  # recorded as failed, too
        subscribed = (await registry.patterns(client, store.shards)).get(group, frozenset())
    if as_json:
        output.print_json({"group": group, "changed": changed, "closed": closed, "paused": paused})
        return
    print(_sentence(group, pattern, changed, paused, is_pause=is_pause))
    if is_pause and pattern != pauses.ALL and subscribed:
        print(f"{group}: it holds {_held(pattern, subscribed)}")
    if closed:
        print(f"{group}: breaker or hold of {', '.join(closed)} ended {EFFECT}")


def _unpaused(group: str, pattern: str, paused: Sequence[str]) -> str:
    now = ", ".join(paused) or "nothing"
    return f"{group}: {pattern} was neither paused nor suspended; paused now: {now}{did_you_mean(pattern, paused)}"


def _held(pattern: str, subscribed: Iterable[str]) -> str:
    """The subscriptions that a pause concerns, whole or in part."""
    held = sorted(each for each in subscribed if matches(pattern, each) or matches(each, pattern))
    more = [f"{len(held) - MOST_NAMED:,} more"] if len(held) > MOST_NAMED else []
    return ", ".join([*held[:MOST_NAMED], *more]) or "no subscription"


def _require_covered(group: str, pattern: str, types: Sequence[str]) -> None:
    """Raise FailedError for a pattern that matches no type of the group, such as a misspelt one."""
    if any(matches(pattern, name) for name in types):
        return
    hint = did_you_mean(pattern, types)
    raise FailedError(
        f"{pattern} matches no type that {group} receives, so nothing was paused (--force pauses it){hint}"
    )


def _sentence(group: str, pattern: str, changed: list[str], paused: list[str], *, is_pause: bool) -> str:
    patterns = ", ".join(changed)
    if is_pause:
        text = f"{group}: {patterns} paused {EFFECT}" if changed else f"{group}: {pattern} was already paused"
    else:
        text = f"{group}: {patterns} resumed {EFFECT}" if changed else f"{group}: no pause of {pattern}"
    return f"{text}; paused now: {', '.join(paused) or 'nothing'}"

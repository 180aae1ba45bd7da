"""Options shared by several commands, and their conversion."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Final, get_args

import typer

from ...shared.connection import Redis, connect
from ...shared.keys import is_name
from ...shared.times import LAST_MS, moment
from ..dlq.query import DeadLetters, Filter
from ..pipeline.outcome import Reason
from ..settings import load_settings

CONNECTIONS: Final = 2
"""A tool sends one command or pipeline at a time."""
REASONS: Final[tuple[str, ...]] = get_args(Reason)


def finite(rate: float) -> float:
    """Return a finite rate. Raises typer.BadParameter."""
    if not math.isfinite(rate):
        raise typer.BadParameter("must be a finite number")
    return rate


Config = Annotated[
    Path | None, typer.Option(help="Settings file; by default $HOOKBUS_CONFIG, or hookbus.toml if it exists.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON: one object, or one per line.")]
Groups = Annotated[list[str] | None, typer.Option("--group", help="Only this group (repeatable, as all filters).")]
Types = Annotated[list[str] | None, typer.Option("--type", help="Only this type, or 'prefix.*'.")]
Reasons = Annotated[list[str] | None, typer.Option("--reason", help=f"Only this reason: {', '.join(REASONS)}.")]
Fingerprints = Annotated[list[str] | None, typer.Option("--fingerprint", help="Only this fingerprint; see dlq groups.")]
Since = Annotated[str, typer.Option(help="Only those dead-lettered since: 15m, 2h, 3d ago, or an ISO time (UTC).")]
Until = Annotated[str, typer.Option(help="Only those dead-lettered until then.")]
Names = Annotated[list[str] | None, typer.Option("--id", help="Only this letter, by its webhook-id.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="The most to show.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen; move nothing.")]
Rate = Annotated[float, typer.Option(min=0, callback=finite, help="Limit per second; 0 for none.")]
All = Annotated[bool, typer.Option("--all", help="Every dead letter; required without a filter.")]


def criteria(
    groups: list[str] | None = None,
    types: list[str] | None = None,
    reasons: list[str] | None = None,
    fingerprints: list[str] | None = None,
    since: str = "",
    until: str = "",
    names: list[str] | None = None,
) -> Filter:
    """Build the filter from the options. Raises typer.BadParameter."""
    for reason in reasons or ():
        if reason not in REASONS:
            raise typer.BadParameter(f"{reason!r} is none of {', '.join(REASONS)}", param_hint="--reason")
    return Filter(
        groups=tuple(groups or ()),
        types=tuple(types or ()),
        reasons=tuple(reasons or ()),
        fingerprints=tuple(text.lower() for text in fingerprints or ()),
        names=tuple(names or ()),
        since_ms=moment("--since", since, 0),
        until_ms=moment("--until", until, LAST_MS),
    )


def pattern(text: str) -> str:
    """Validate a pattern. Raises typer.BadParameter."""
    if text != "*" and not is_name(text.removesuffix(".*")):
        raise typer.BadParameter(f"{text!r} is neither a type nor 'prefix.*' nor '*'")
    return text


@asynccontextmanager
async def connected(config: Path | None, name: str) -> AsyncIterator[tuple[Redis, int]]:
    """Connect a tool; yields the client, and the shard count of the settings. Raises ConfigError."""
    settings = load_settings(config)
    client = connect(settings.address(), f"hookbus-worker:{name}", connections=CONNECTIONS)
    try:
        yield client, settings.shards
    finally:
        await client.aclose()


@asynccontextmanager
async def dead_letters(config: Path | None) -> AsyncIterator[tuple[Redis, DeadLetters]]:
    """Open the dead letters of the configured Redis. Raises ConfigError, RedisError, OSError."""
    async with connected(config, "dlq") as (client, shards):
        yield client, await DeadLetters.open(client, shards)

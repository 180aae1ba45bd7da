"""Options shared by several commands, and their conversion."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ...shared import clock, times
from ...shared.connection import Redis, connect
from ...shared.patterns import is_pattern
from ..settings import load_settings

if TYPE_CHECKING:
    from ..dlq.query import DeadLetters

CONNECTIONS: Final = 2
"""A tool sends one command or pipeline at a time."""


def finite(rate: float) -> float:
    """Return a finite rate. Raises typer.BadParameter."""
    if not math.isfinite(rate):
        raise typer.BadParameter("must be a finite number")
    return rate


Config = Annotated[
    Path | None, typer.Option(help="Settings file; by default $HOOKBUS_CONFIG, or hookbus.toml if it exists.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON: one object, or one per line.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="The most to show.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen; move nothing.")]
Rate = Annotated[float, typer.Option(min=0, callback=finite, help="Limit per second; 0 for none.")]
All = Annotated[bool, typer.Option("--all", help="Everything; required without a filter.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def pattern(text: str) -> str:
    """Validate a pattern. Raises typer.BadParameter."""
    if not is_pattern(text):
        raise typer.BadParameter(f"{text!r} is neither a type nor 'prefix.*' nor '*'")
    return text


@asynccontextmanager
async def connected(config: Path | None, name: str) -> AsyncIterator[tuple[Redis, int]]:
    """Connect a tool, which follows Redis' clock from then on; yields the client, and the shard count of the settings.
    Raises ConfigError, RedisError, OSError."""
    settings = load_settings(config)
    client = connect(settings.address(), f"hookbus-worker:{name}", connections=CONNECTIONS)
    try:
        await clock.follow_redis(client.execute_command)
        yield client, settings.shards
    finally:
        await client.aclose()


def moment(config: Path | None, option: str, text: str, default: int) -> int:
    """The time that an option names, Unix ms by Redis' clock, by which everything is stored. Raises typer.BadParameter,
    and as `connected` does."""
    if not text:
        return default
    times.moment(option, text, default)  # a mistake is told before Redis is asked
    asyncio.run(_follow(config))
    return times.moment(option, text, default)


async def _follow(config: Path | None) -> None:
    async with connected(config, "clock"):
        """Connecting is all."""


@asynccontextmanager
async def dead_letters(config: Path | None, name: str = "dlq") -> AsyncIterator[tuple[Redis, "DeadLetters"]]:
    """Open the dead letters of the configured Redis. Raises ConfigError, RedisError, OSError."""
    from ..dlq.query import DeadLetters

    async with connected(config, name) as (client, shards):
        yield client, await DeadLetters.open(client, shards)

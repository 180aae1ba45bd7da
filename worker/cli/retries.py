"""The options of `hookbus-worker retries`. `retries_look` and `retries_move` implement its commands."""

import asyncio
from typing import Annotated

import typer

from ...shared import command_line
from ..retries.waiting import Filter
from . import filters
from .options import All, Config, DryRun, Json, Limit, Rate, Yes
from .recorded import Why

app = command_line.typer_app("retries", "List, show, hasten and dead-letter deliveries that wait for an attempt.")


@app.command("list")
@filters.by(filters.retries)
def list_(
    criteria: Filter,
    limit: Limit = 50,
    after: Annotated[str, typer.Option(help="Continue a list: the value that its last line names.")] = "",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """List waiting deliveries, those due first."""
    from . import retries_look

    asyncio.run(retries_look.show_list(config, criteria, limit, after, as_json))


@app.command("groups")
@filters.by(filters.retries)
def groups(criteria: Filter, limit: Limit = 50, as_json: Json = False, config: Config = None) -> None:
    """Count waiting deliveries by group, type and class of the last error, most first."""
    from . import retries_look

    asyncio.run(retries_look.show_groups(config, criteria, limit, as_json))


@app.command()
def show(
    delivery: Annotated[str, typer.Argument(metavar="ID", help="The webhook-id, or its beginning.")],
    group: Annotated[str, typer.Option(help="Required when it waits in several groups.")] = "",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Show everything about one waiting delivery."""
    from . import retries_look

    if not delivery.strip():
        raise typer.BadParameter("an id has at least one character", param_hint="ID")
    asyncio.run(retries_look.show_one(config, Filter(groups=(group,) if group else ()), delivery, as_json))


@app.command()
@filters.by(filters.retries)
def now(
    criteria: Filter,
    every: All = False,
    rate: Rate = 0,
    dry_run: DryRun = False,
    yes: Yes = False,
    why: Why = "",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Make parked and snoozed deliveries due at once; their attempts count on."""
    from . import retries_move
    from .moving import Terms

    terms = Terms(config, rate, dry_run, as_json, yes, why)
    raise typer.Exit(retries_move.run(retries_move.NOW, criteria, terms, is_all=every))


@app.command("dead-letter")
@filters.by(filters.retries)
def dead_letter(
    criteria: Filter,
    every: All = False,
    rate: Rate = 0,
    dry_run: DryRun = False,
    yes: Yes = False,
    why: Why = "",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Make waiting deliveries dead letters: what is parked, and what was redriven or replayed and not yet begun."""
    from . import retries_move
    from .moving import Terms

    terms = Terms(config, rate, dry_run, as_json, yes, why)
    raise typer.Exit(retries_move.run(retries_move.DEAD_LETTER, criteria, terms, is_all=every))

"""`hookbus-worker forget`: shows the deliveries and dead letters of a group, asks, and removes the group."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ...shared import output, tables
from ...shared.command import EXIT_FAILED
from ...shared.tables import Column
from ..audit import Action
from ..dlq.bulk import Tally
from ..groups import forget_plan as planning
from ..groups.forget import GroupFootprint
from ..groups.forget_plan import Plan
from . import options
from .options import Config, Json
from .recorded import Why, action, recorded

COLUMNS: Final = (
    Column("TYPE", least=14),
    Column("BACKLOG", is_number=True),
    Column("IN FLIGHT", is_number=True, goes=1),
    Column("DELAYED", is_number=True),
    Column("DEAD", is_number=True),
)


def forget(
    group: Annotated[
        str, typer.Argument(metavar="GROUP", help="The group; its workers must be stopped, unless --type is given.")
    ],
    event_type: Annotated[
        str, typer.Option("--type", metavar="TYPE", help="Only this type, which it no longer subscribes to.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed; remove nothing.")] = False,
    why: Why = "",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Remove a group, or one type of it, for good, with its backlog, retries and dead letters. Asks first."""
    if not yes and not dry_run and not output.can_ask():
        raise typer.BadParameter(f"no terminal to ask on: add --yes to forget {group} without asking")
    # Asking blocks, so it comes between two event loops.
    plan = asyncio.run(_poll(config, group, event_type, dry_run, as_json))
    if dry_run:
        return
    footprint, target = plan.footprint, output.line(plan.target)
    count = f"{output.things(footprint.unhandled, 'unhandled event')}, {output.things(footprint.dead, 'dead letter')}"
    if not yes and not output.confirmed(f"forget {target}, with {count}, for good?"):
        print("nothing was forgotten", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED)
    asyncio.run(_run(config, plan, action("forget", plan.options(), why, plan.matching)))
    if as_json:
        output.print_json(_result(footprint, is_dry_run=False))
    else:
        print(f"forgot {target}, with {count}")


async def _poll(config: Path | None, group: str, event_type: str, is_dry_run: bool, as_json: bool) -> Plan:
    """Count what would go and print it. Raises FailedError when a consumer is alive."""
    async with options.connected(config, "forget") as (client, shards):
        plan = await planning.plan(client, shards, group, event_type)
    if not as_json:
        _show(plan.footprint)
    elif is_dry_run:
        output.print_json(_result(plan.footprint, is_dry_run=True))
    if not is_dry_run:
        planning.require(plan)
    return plan


async def _run(config: Path | None, plan: Plan, started: Action) -> None:
    async with options.connected(config, "forget") as (client, shards), recorded(client, started) as progress:

        def progressed(tally: Tally) -> None:
            progress.set(tally.moved, tally.gone)

        await planning.run(client, shards, plan, stopping=asyncio.Event(), progressed=progressed)


def _show(footprint: GroupFootprint) -> None:
    rows = []
    for name, counts in footprint.types.items():
        figures = (counts.backlog, counts.in_flight, counts.delayed, counts.dead)
        rows.append((output.line(name), *(f"{figure:,}" for figure in figures)))
    if rows:
        console = output.console()
        console.print(tables.table(COLUMNS, rows, console.width, style="dim"))
    else:
        print(f"group {footprint.group} has no deliveries and no dead letters")


def _result(footprint: GroupFootprint, *, is_dry_run: bool) -> dict[str, Any]:
    return {
        "group": footprint.group,
        "dry_run": is_dry_run,
        "alive": footprint.alive,
        "unhandled": footprint.unhandled,
        "dead": footprint.dead,
        "types": footprint.types,
    }

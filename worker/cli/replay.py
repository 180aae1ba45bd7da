"""`hookbus-worker replay`: counts the events to deliver again, asks, and delivers them."""

import asyncio
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ...shared import command, output
from ...shared.command import EXIT_FAILED, EXIT_INTERRUPTED, FailedError, Stopping
from ...shared.patterns import matches
from ...shared.times import LAST_MS, moment
from .. import audit
from ..audit import Action
from ..dlq.bulk import Tally, batch_for
from ..groups import history
from ..groups.history import EventCount, EventFilter, History, StreamRange
from ..groups.replay import Replay
from ..inventory import pauses
from . import options
from .options import Config, Json, Rate
from .progress import move_watched
from .recorded import Why, action, recorded

Types = Annotated[list[str] | None, typer.Option("--type", help="Only this type, or 'prefix.*' (repeatable, as --id).")]
Since = Annotated[str, typer.Option(help="Only those stored since: 15m, 2h, 3d ago, or an ISO time (UTC).")]
Until = Annotated[str, typer.Option(help="Only those stored until then.")]
Names = Annotated[list[str] | None, typer.Option("--id", help="Only this event, by its webhook-id.")]


@dataclass(frozen=True, slots=True)
class Order:
    """The options of the command. `rate` is events per second, 0 for no limit."""

    group: str
    criteria: EventFilter
    rate: float
    is_dry_run: bool
    as_json: bool
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The snapshot and its counts. `paused` are paused patterns that match some of its events."""

    stream_ranges: list[StreamRange]
    now_ms: int
    has_future: bool
    count: EventCount
    paused: list[str]

    @property
    def matching(self) -> int:
        """The number of events."""
        return self.count.types.total()


def replay(
    group: Annotated[str, typer.Argument(metavar="GROUP", help="The group that receives the events.")],
    type_: Types = None,
    since: Since = "",
    until: Until = "",
    id_: Names = None,
    rate: Rate = 0,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. It never asks without a terminal.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be replayed; replay nothing.")] = False,
    why: Why = "",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Deliver retained events to a group again, handled or not; oldest first, marked as replays."""
    criteria = EventFilter(
        tuple(map(options.pattern, type_ or ())),
        tuple(id_ or ()),
        moment("--since", since, 0),
        moment("--until", until, LAST_MS),
    )
    raise typer.Exit(
        run(config, Order(group, criteria, rate, dry_run, as_json, why), asks=output.can_ask() and not yes)
    )


def run(config: Path | None, order: Order, *, asks: bool) -> int:
    """Run the replay, after asking if `asks`; returns the exit code. Raises FailedError."""
    # Asking blocks, so it comes before the loop in which Ctrl-C stops between batches.
    plan = asyncio.run(_prepare(config, order))
    if order.is_dry_run or not plan.matching:
        _show(order, plan)
        return 0
    if asks and not output.confirmed(f"replay {output.things(plan.matching, 'event')} to {order.group}?"):
        print("nothing was replayed", file=sys.stderr)
        return EXIT_FAILED
    is_interrupted = False

    async def until_done(stopping: Stopping) -> None:
        nonlocal is_interrupted
        is_interrupted = await _replay(config, order, plan, stopping)

    command.run_service(until_done)
    return EXIT_INTERRUPTED if is_interrupted else 0


async def _prepare(config: Path | None, order: Order) -> Plan:
    """Take the snapshot, and count. Raises FailedError when a named event is not in it."""
    console = output.console(stderr=True)
    async with options.dead_letters(config) as (client, store):
        store.require(order.group)
        events = await history.fetch(client, store.shards, order.group, order.criteria)
        with console.status("counting") if console.is_terminal else nullcontext():
            count = await events.count()
        paused = await pauses.fetch(client, store.shards, order.group)
    missing = sorted(set(order.criteria.names) - count.names)
    if missing:
        raise FailedError(
            f"{', '.join(map(output.line, missing))}: no retained event of this id was delivered to {order.group}"
            " (events not delivered yet need no replay)"
        )
    if count.unreadable:
        print(f"{output.things(count.unreadable, 'entry')} not written by hookbus: left out", file=sys.stderr)
    holding = [pattern for pattern in paused if any(matches(pattern, name) for name in count.types)]
    return Plan(list(events.stream_ranges), events.now_ms, events.has_future, count, holding)


async def _replay(config: Path | None, order: Order, plan: Plan, stopping: Stopping) -> bool:
    """Replay, and print the result; returns whether it was stopped before the end."""
    async with options.connected(config, "replay") as (client, _):
        events = History(client, plan.stream_ranges, order.criteria, plan.now_ms)
        delivery = Replay(client, order.group, stopping, lambda text: print(text, file=sys.stderr))
        async with recorded(client, _action(order, plan)) as progress:
            try:
                tally = await move_watched(
                    lambda: _title(delivery.reached_ms),
                    events.batches(batch_for(order.rate)),
                    delivery.deliver,
                    total=plan.matching,
                    rate=order.rate,
                    stopping=stopping,
                )
            except FailedError as error:
                raise FailedError(f"{error}; {_advice(_rest(order, plan, delivery.reached_ms))}") from None
            is_interrupted = stopping.is_set() and tally.moved < plan.matching
            tally.gone = 0 if is_interrupted else plan.matching - tally.moved
            progress.set(tally.moved, tally.gone, is_stopped=is_interrupted)
    rest = _rest(order, plan, delivery.reached_ms) if is_interrupted else None
    if order.as_json:
        output.print_json(_result(order, plan, tally, rest))
    else:
        print(_sentence(order, plan, tally, rest))
    return is_interrupted


def _action(order: Order, plan: Plan) -> Action:
    chosen = order.criteria
    criteria = audit.options(
        chosen.since_ms, plan.count.newest_ms, group=order.group, type=chosen.types, id=chosen.names
    )
    return action("replay", criteria, order.why, plan.matching)


def _title(reached_ms: int) -> str:
    return f"replay, up to {output.moment(reached_ms)}" if reached_ms else "replay"


def _rest(order: Order, plan: Plan, reached_ms: int) -> dict[str, str]:
    """The time range of the events not delivered. It ends with the snapshot, so that later events are excluded."""
    since_ms = order.criteria.since_ms if plan.has_future else reached_ms or order.criteria.since_ms
    times = {"since": since_ms, "until": plan.count.newest_ms}
    return {name: output.moment(ms).replace(" ", "T") for name, ms in times.items()}


def _advice(rest: dict[str, str]) -> str:
    return f"to continue: --since {rest['since']} --until {rest['until']}"


def _show(order: Order, plan: Plan) -> None:
    """Print what would be replayed."""
    if order.as_json:
        output.print_json(_result(order, plan, Tally(), None))
        return
    if not plan.matching:
        print(f"no events match; those not delivered to {order.group} yet need no replay")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("TYPE", overflow="fold")
    table.add_column("EVENTS", justify="right", no_wrap=True)
    for name, count in sorted(plan.count.types.items()):
        table.add_row(output.cell(name), f"{count:,}")
    output.console().print(table)
    print(f"would replay {output.things(plan.matching, 'event')} to {order.group}{_pause_note(order, plan)}")


def _result(order: Order, plan: Plan, tally: Tally, rest: dict[str, str] | None) -> dict[str, Any]:
    return {
        "group": order.group,
        "dry_run": order.is_dry_run,
        "matching": plan.matching,
        "types": dict(sorted(plan.count.types.items())),
        "replayed": tally.moved,
        "gone": tally.gone,
        "paused": plan.paused,
        "interrupted": rest is not None,
        "rest": rest,
    }


def _sentence(order: Order, plan: Plan, tally: Tally, rest: dict[str, str] | None) -> str:
    text = f"{output.things(tally.moved, 'event')} replayed to {order.group}"
    if tally.gone:
        text += f"; {tally.gone:,} were trimmed meanwhile"
    if rest is not None:
        return f"stopped: {text}, {plan.matching - tally.moved:,} remain; {_advice(rest)}"
    return text + _pause_note(order, plan)


def _pause_note(order: Order, plan: Plan) -> str:
    return f"; they wait while {', '.join(plan.paused)} of {order.group} is paused" if plan.paused else ""

"""`hookbus-worker replay`: delivers events to a group again."""

import sys
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.table import Table

from ...shared import output
from ...shared.command import FailedError, Stopping
from ...shared.connection import Redis
from ...shared.patterns import matches
from ...shared.times import iso
from .. import audit
from ..audit import Action
from ..dlq.bulk import Tally, batch_for, move_all
from ..dlq.query import DeadLetters
from ..groups import history
from ..groups.history import EventCount, EventFilter, History, StreamRange
from ..groups.replay import Replay
from ..inventory import pauses
from . import filters, moving, options
from .moving import Terms, Verb
from .options import Config, DryRun, Json, Rate, Yes
from .progress import Progressed, watched
from .recorded import Why, action

Types = Annotated[list[str] | None, typer.Option("--type", help="Only this type, or 'prefix.*' (repeatable, as --id).")]
Since = Annotated[str, typer.Option(help="Only those stored since: 15m, 2h, 3d ago, or an ISO time (UTC).")]
Until = Annotated[str, typer.Option(help="Only those stored until then.")]
Names = Annotated[list[str] | None, typer.Option("--id", help="Only this event, by its webhook-id.")]


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

    @property
    def moving(self) -> int:
        """All of them."""
        return self.matching


def replay(
    group: Annotated[str, typer.Argument(metavar="GROUP", help="The group that receives the events.")],
    type_: Types = None,
    since: Since = "",
    until: Until = "",
    id_: Names = None,
    rate: Rate = 0,
    yes: Yes = False,
    dry_run: DryRun = False,
    why: Why = "",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Deliver retained events to a group again, handled or not; oldest first, marked as replays."""
    criteria = EventFilter(
        tuple(map(options.pattern, type_ or ())),
        tuple(id_ or ()),
        *filters.window(since, until, config),
    )
    terms = Terms(config, rate, dry_run, as_json, yes, why)
    raise typer.Exit(moving.run(ReplayMove(group, criteria, terms), terms))


class ReplayMove:
    """A replay of events to a group."""

    def __init__(self, group: str, criteria: EventFilter, terms: Terms) -> None:
        self.verb = Verb("replay", "replayed")
        self._group = group
        self._criteria = criteria
        self._terms = terms
        self._reached_ms = 0
        """Every event that Redis stored before it was delivered."""

    @property
    def is_everything(self) -> bool:
        """Whether there is no filter."""
        return self._criteria == EventFilter()

    async def plan(self, client: Redis, store: DeadLetters) -> Plan:
        """Take the snapshot, and count. Raises FailedError when a named event is not in it."""
        console = output.console(stderr=True)
        store.require(self._group)
        events = await history.fetch(client, store.shards, self._group, self._criteria)
        with console.status("counting") if console.is_terminal else nullcontext():
            count = await events.count()
        paused = await pauses.fetch(client, store.shards, self._group)
        missing = sorted(set(self._criteria.names) - count.names)
        if missing:
            raise FailedError(
                f"{', '.join(map(output.line, missing))}: no retained event of this id was delivered to {self._group}"
                " (events not delivered yet need no replay)"
            )
        if count.unreadable:
            text = f"{output.things(count.unreadable, 'entry')} not written by hookbus: left out"
            output.note(text, as_json=self._terms.as_json)
        holding = [pattern for pattern in paused if any(matches(pattern, name) for name in count.types)]
        return Plan(list(events.stream_ranges), events.now_ms, events.has_future, count, holding)

    def question(self, plan: Plan) -> str:
        """Count, group and filter."""
        chosen = self._criteria
        given = audit.options(chosen.since_ms, chosen.until_ms, type=chosen.types, id=chosen.names)
        events = output.things(plan.matching, "event")
        return f"replay {events} to {self._group} ({filters.as_options(given, 'no filter')})"

    def action(self, plan: Plan) -> Action:
        """What is recorded: the filter, up to the newest event of the plan."""
        chosen, until_ms = self._criteria, plan.count.newest_ms
        given = audit.options(chosen.since_ms, until_ms, group=self._group, type=chosen.types, id=chosen.names)
        return action("replay", given, self._terms.why, plan.matching)

    async def run(self, client: Redis, _store: DeadLetters, plan: Plan, stopping: Stopping) -> Tally:
        """Deliver the events of the plan. Raises FailedError, with how to continue."""
        events = History(client, plan.stream_ranges, self._criteria, plan.now_ms)
        delivery = Replay(client, self._group, stopping, lambda text: print(text, file=sys.stderr))
        rate = self._terms.rate

        async def move(progressed: Progressed) -> Tally:
            batches = events.batches(batch_for(rate))
            return await move_all(batches, delivery.deliver, rate=rate, stopping=stopping, progressed=progressed)

        def title() -> str:
            self._reached_ms = delivery.reached_ms
            return f"replay, up to {output.moment(self._reached_ms)}" if self._reached_ms else "replay"

        try:
            tally = await watched(move, title=title, total=plan.matching)
        except FailedError as error:
            raise FailedError(f"{error}; {_advice(self._rest(plan))}") from None
        if not stopping.is_set():
            tally.gone = plan.matching - tally.moved  # trimmed meanwhile
        return tally

    def _rest(self, plan: Plan) -> dict[str, str]:
        """The times of the events not delivered. It ends with the snapshot, so that later events are excluded."""
        since_ms = self._criteria.since_ms if plan.has_future else self._reached_ms or self._criteria.since_ms
        return {"since": iso(since_ms), "until": iso(plan.count.newest_ms)}

    def show(self, plan: Plan) -> None:
        """Print what would be replayed."""
        if not plan.matching:
            print(f"no events match; those not delivered to {self._group} yet need no replay")
            return
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("TYPE", overflow="fold")
        table.add_column("EVENTS", justify="right", no_wrap=True)
        for name, count in sorted(plan.count.types.items()):
            table.add_row(output.cell(name), f"{count:,}")
        output.console().print(table)
        print(f"would replay {output.things(plan.matching, 'event')} to {self._group}{self._pause_note(plan)}")

    def result(self, plan: Plan, tally: Tally, *, is_interrupted: bool) -> dict[str, Any]:
        """Figures of plan and result."""
        return {
            "group": self._group,
            "dry_run": self._terms.is_dry_run,
            "matching": plan.matching,
            "types": dict(sorted(plan.count.types.items())),
            "replayed": tally.moved,
            "gone": tally.gone,
            "paused": plan.paused,
            "interrupted": is_interrupted,
            "rest": self._rest(plan) if is_interrupted else None,
        }

    def sentence(self, plan: Plan, tally: Tally, *, is_interrupted: bool) -> str:
        """How many were replayed."""
        text = f"{output.things(tally.moved, 'event')} replayed to {self._group}"
        if is_interrupted:
            return f"stopped: {text}, {plan.matching - tally.moved:,} remain; {_advice(self._rest(plan))}"
        if tally.gone:
            text += f"; {tally.gone:,} were trimmed meanwhile"
        return text + self._pause_note(plan)

    def _pause_note(self, plan: Plan) -> str:
        return f"; they wait while {', '.join(plan.paused)} of {self._group} is paused" if plan.paused else ""


def _advice(rest: dict[str, str]) -> str:
    return f"to continue: --since {rest['since']} --until {rest['until']}"

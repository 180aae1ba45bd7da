"""`hookbus-worker replay`: delivers events to a group again."""

from contextlib import nullcontext
from typing import Annotated, Any, Final

import typer

from ...shared import output, tables
from ...shared.command import FailedError, Stopping
from ...shared.connection import Redis
from ...shared.tables import Column
from ...shared.times import iso
from .. import audit
from ..audit import Action
from ..dlq.bulk import Tally
from ..dlq.query import DeadLetters
from ..groups import replay_plan as planning
from ..groups.history import EventFilter
from ..groups.replay_plan import Plan
from . import filters, moving, options
from .moving import Terms, Verb
from .options import Config, DryRun, Json, Rate, Yes
from .progress import Progressed, watched
from .recorded import Why, action, warn

Types = Annotated[list[str] | None, typer.Option("--type", help="Only this type, or 'prefix.*' (repeatable, as --id).")]
Since = Annotated[str, typer.Option(help="Only those stored since: 15m, 2h, 3d ago, or an ISO time (UTC).")]
Until = Annotated[str, typer.Option(help="Only those stored until then.")]
COLUMNS: Final = (Column("TYPE", least=14), Column("EVENTS", is_number=True))
Names = Annotated[list[str] | None, typer.Option("--id", help="Only this event, by its webhook-id.")]


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
        self._has_waited = False
        """Every event that Redis stored before it was delivered."""

    @property
    def is_everything(self) -> bool:
        """Whether there is no filter."""
        return self._criteria == EventFilter()

    async def plan(self, client: Redis, store: DeadLetters) -> Plan:
        """Take the snapshot, and count. Raises FailedError when a named event is not in it."""
        console = output.console(stderr=True)
        with console.status("counting") if console.is_terminal else nullcontext():
            plan = await planning.plan(client, store, self._group, self._criteria)
        if plan.count.unreadable:
            text = f"{output.things(plan.count.unreadable, 'entry')} not written by hookbus: left out"
            output.note(text, as_json=self._terms.as_json)
        return plan

    def question(self, plan: Plan) -> str:
        """Count, group and filter."""
        chosen = self._criteria
        given = audit.options(chosen.since_ms, chosen.until_ms, type=chosen.types, id=chosen.names)
        events = output.things(plan.matching, "event")
        return f"replay {events} to {self._group} ({filters.as_options(given, 'no filter')})"

    def action(self, plan: Plan) -> Action:
        """What is recorded: the filter, up to the newest event of the plan."""
        return action("replay", plan.options(), self._terms.why, plan.matching)

    async def run(self, client: Redis, _store: DeadLetters, plan: Plan, stopping: Stopping) -> Tally:
        """Deliver the events of the plan. Raises FailedError, with how to continue."""
        rate = self._terms.rate

        async def move(progressed: Progressed) -> Tally:
            def reached(tally: Tally) -> None:
                self._reached_ms = tally.reached_ms
                if tally.waits and not self._has_waited:
                    self._has_waited = True
                    warn(tally.waits)
                progressed(tally)

            return await planning.run(client, plan, rate=rate, stopping=stopping, progressed=reached)

        def title() -> str:
            return f"replay, up to {output.moment(self._reached_ms)}" if self._reached_ms else "replay"

        try:
            return await watched(move, title=title, total=plan.matching)
        except FailedError as error:
            raise FailedError(f"{error}; {_advice(self._rest(plan))}") from None

    def _rest(self, plan: Plan) -> dict[str, str]:
        """The times of the events not delivered. It ends with the snapshot, so that later events are excluded."""
        return {"since": iso(self._reached_ms or self._criteria.since_ms), "until": iso(plan.count.newest_ms)}

    def show(self, plan: Plan) -> None:
        """Print what would be replayed."""
        if not plan.matching:
            print(f"no events match; those not delivered to {self._group} yet need no replay")
            return
        rows = [(output.line(name), f"{count:,}") for name, count in sorted(plan.count.types.items())]
        console = output.console()
        console.print(tables.table(COLUMNS, rows, console.width, style="dim"))
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

"""`dlq redrive` and `discard`."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
import typer

from ...shared import output
from ...shared.clock import now_ms
from ...shared.command import Stopping
from ...shared.connection import Redis
from ..audit import Action
from ..dlq import plan as planning
from ..dlq.bulk import Tally
from ..dlq.filter import Filter
from ..dlq.hindrances import Hindrance
from ..dlq.plan import Plan
from ..dlq.query import DeadLetters
from . import dlq_look, dlq_tables, filters, moving
from .moving import Terms, Verb
from .progress import Progressed, watched
from .recorded import action

REDRIVE: Final = Verb("redrive", "redriven")
DISCARD: Final = Verb("discard", "discarded", is_final=True)


def run(verb: Verb, criteria: Filter, terms: Terms, *, is_all: bool, include_unsubscribed: bool = False) -> int:
    """Run the move; returns the exit code. Raises typer.BadParameter, FailedError."""
    if criteria == Filter() and not is_all:
        raise typer.BadParameter(f"no filter given: add one, or --all to {verb.name} every dead letter")
    return moving.run(LetterMove(verb, criteria, terms, include_unsubscribed), terms)


@dataclass(frozen=True, slots=True)
class LetterMove:
    """A move of dead letters. `include_unsubscribed`: also those of types that their group does not subscribe to."""

    verb: Verb
    criteria: Filter
    terms: Terms
    include_unsubscribed: bool

    @property
    def is_everything(self) -> bool:
        """Whether there is no filter."""
        return self.criteria == Filter()

    async def plan(self, client: Redis, store: DeadLetters) -> Plan:
        """Count what matches, and say what would not be handled."""
        if self.verb is DISCARD:
            return await planning.discard(client, store, self.criteria)
        plan = await planning.redrive(client, store, self.criteria, include_unsubscribed=self.include_unsubscribed)
        for hindrance in plan.hindrances:
            output.note(self._hindered(hindrance), as_json=self.terms.as_json)
        return plan

    def _hindered(self, hindrance: Hindrance) -> str:
        event_type, letters = output.line(hindrance.type), output.things(hindrance.count, "dead letter")
        if hindrance.why != "unsubscribed":
            return f"{hindrance.group} · {event_type}: {letters} will wait: {output.line(hindrance.detail)}"
        undo = f"hookbus-worker retries dead-letter --group {hindrance.group} --type {event_type}"
        effect = (
            f"redriven, they wait until it does; to undo: {undo}"
            if self.include_unsubscribed
            else "not redriven (--include-unsubscribed redrives them)"
        )
        return f"{hindrance.group} does not subscribe to {event_type}: {letters}, {effect}"

    def show(self, plan: Plan) -> None:
        """Print what would be moved."""
        if not plan.matching:
            print("no dead letters match")
            return
        dlq_tables.summaries(plan.causes, now_ms())
        where = " for good" if self.verb.is_final else ", each to its group"
        print(f"would {self.verb.name} {output.things(plan.moving, 'dead letter')}{where}")

    def question(self, plan: Plan) -> str:
        """Count and filter."""
        for_good = " for good" if self.verb.is_final else ""
        letters = f"{output.things(plan.moving, 'dead letter')}{for_good}"
        return f"{self.verb.name} {letters} ({filters.as_options(self.criteria.options())})"

    def action(self, plan: Plan) -> Action:
        """What is recorded: the filter of the plan, so with its moment."""
        return action(f"dlq {self.verb.name}", plan.criteria.options(), self.terms.why, plan.moving)

    async def run(self, client: Redis, store: DeadLetters, plan: Plan, stopping: Stopping) -> Tally:
        """Move the letters of the plan."""

        async def move(progressed: Progressed) -> Tally:
            rate = self.terms.rate
            return await planning.run(client, store, plan, rate=rate, stopping=stopping, progressed=progressed)

        tally = await watched(move, title=lambda: self.verb.name, total=plan.moving)
        dlq_look.warn_unreadable(store, self.terms.as_json)
        return tally

    def result(self, plan: Plan, tally: Tally, *, is_interrupted: bool) -> dict[str, Any]:
        """Figures of plan and result."""
        redrive = {"left_out": plan.left_out.total(), "hindrances": list(map(msgspec.structs.asdict, plan.hindrances))}
        return {
            "dry_run": self.terms.is_dry_run,
            "matching": plan.matching,
            self.verb.done: tally.moved,
            "gone": tally.gone,
            **(redrive if self.verb is REDRIVE else {}),
            "interrupted": is_interrupted,
        }

    def sentence(self, plan: Plan, tally: Tally, *, is_interrupted: bool) -> str:
        """How many moved."""
        text = f"{output.things(tally.moved, 'dead letter')} {self.verb.done}"
        if tally.gone:
            text += f"; {tally.gone:,} skipped: removed meanwhile, or dead-lettered again"
        if is_interrupted:
            text = f"stopped: {text}; {plan.moving - tally.moved - tally.gone:,} remain"
        return text

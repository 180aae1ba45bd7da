"""`retries now` and `dead-letter`."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
import typer

from ...shared import output
from ...shared.clock import now_ms
from ...shared.command import Stopping
from ...shared.connection import Redis
from ..audit import Action
from ..dlq.bulk import Tally
from ..dlq.query import DeadLetters
from ..retries import plan as planning
from ..retries.plan import Plan
from ..retries.query import Retries
from ..retries.waiting import Filter
from . import filters, moving, retries_look, retries_tables
from .moving import Terms, Verb
from .progress import Progressed, watched
from .recorded import action

NOW: Final = Verb("now", "made due")
DEAD_LETTER: Final = Verb("dead-letter", "dead-lettered")


def run(verb: Verb, criteria: Filter, terms: Terms, *, is_all: bool) -> int:
    """Run the move; returns the exit code. Raises typer.BadParameter, FailedError."""
    if criteria == Filter() and not is_all:
        raise typer.BadParameter(f"no filter given: add one, or --all for {verb.name} of all that waits")
    if verb is NOW and criteria.states == ("queued",):
        raise typer.BadParameter("what is queued is due already", param_hint="--state")
    return moving.run(RetryMove(verb, criteria, terms, is_everything=is_all and criteria.is_everything), terms)


@dataclass(frozen=True, slots=True)
class RetryMove:
    """A move of waiting deliveries."""

    verb: Verb
    criteria: Filter
    terms: Terms
    is_everything: bool

    async def plan(self, client: Redis, store: DeadLetters) -> Plan:
        """Count what matches, and say what would not run."""
        retries = await Retries.open(client, store, self.criteria)
        plan = await planning.plan(client, retries, self.criteria, "now" if self.verb is NOW else "dead-letter")
        for each in plan.hindrances:
            text = f"{each.group} · {output.line(each.type)}: {each.count:,} will wait: {output.line(each.detail)}"
            output.note(text, as_json=self.terms.as_json)
        retries_look.warn_unreadable(retries, self.terms.as_json)
        return plan

    def show(self, plan: Plan) -> None:
        """Print what would be moved."""
        if not plan.matching:
            print("nothing that waits matches")
            return
        retries_tables.causes(plan.causes, now_ms())
        print(f"would be {self.verb.done}: {self._deliveries(plan.matching)}")

    def question(self, plan: Plan) -> str:
        """Count and filter."""
        given = filters.as_options(self.criteria.options())
        return f"{self.verb.name}: {self._deliveries(plan.matching)} ({given})"

    def action(self, plan: Plan) -> Action:
        """What is recorded: the filter of the plan, so with its moment."""
        return action(f"retries {self.verb.name}", plan.criteria.options(), self.terms.why, plan.matching)

    async def run(self, client: Redis, store: DeadLetters, plan: Plan, stopping: Stopping) -> Tally:
        """Move what was planned."""
        retries = Retries(client, store.shards, store.groups)

        async def move(progressed: Progressed) -> Tally:
            rate = self.terms.rate
            return await planning.run(client, retries, plan, rate=rate, stopping=stopping, progressed=progressed)

        return await watched(move, title=lambda: f"retries {self.verb.name}", total=plan.matching)

    def result(self, plan: Plan, tally: Tally, *, is_interrupted: bool) -> dict[str, Any]:
        """Figures of plan and result."""
        return {
            "dry_run": self.terms.is_dry_run,
            "matching": plan.matching,
            self.verb.done.replace(" ", "_").replace("-", "_"): tally.moved,
            "gone": tally.gone,
            "hindrances": list(map(msgspec.structs.asdict, plan.hindrances)),
            "interrupted": is_interrupted,
        }

    def sentence(self, plan: Plan, tally: Tally, *, is_interrupted: bool) -> str:
        """How many moved."""
        text = f"{self._deliveries(tally.moved)} {self.verb.done}"
        if is_interrupted:
            return f"stopped: {text}; {plan.matching - tally.moved - tally.gone:,} remain"
        if left := plan.matching - tally.moved:
            text += f"; {left:,} did not wait any more"
        return text

    @staticmethod
    def _deliveries(count: int) -> str:
        return f"{count:,} {'delivery' if count == 1 else 'deliveries'}"

"""`POST /run` begins a move that was planned; `/jobs/{id}` shows it to everybody; `POST /jobs/{id}/stop` ends
it, `POST /jobs/{id}/go-on` moves what one that was stopped, or whose console died, has left."""

import math
from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any, Final

from ....shared.command import FailedError
from ....shared.times import iso
from ... import audit
from ...audit import Entry, Progress
from .. import chosen, job_store
from ..asked import Asked, Context, is_number
from ..job_store import Confirmed
from ..plans import forgets, waits
from ..plans.planned import Planned
from ..verbs import BY_ACTION
from ..view import Redirect, View
from . import plan as planning

SEARCHED: Final = 1000
"""Actions looked through for a job that Redis no longer holds."""
FIELDS: Final = dict.fromkeys((*chosen.FIELDS, *waits.FIELDS, *forgets.FIELDS))
CONFIRMED: Final = ("plan", "verb", "counted", chosen.UNTIL, *FIELDS)
"""Fields that make two forms the same: one plan, of one page. Another page with the same filter is another plan: there
may be some again that match it."""


async def run(context: Context, asked: Asked) -> View | Redirect:
    """Begin. Whatever keeps it from beginning is said on the plan, which is counted anew, and nothing has changed."""
    form = asked.form
    same = frozenset((name, text) for name, text in form.items() if name in CONFIRMED)
    if (begun := context.jobs.of(same)) is not None:
        return Redirect(f"/jobs/{begun.id}")
    return await _begin(context, asked, same=same)


async def go_on(context: Context, asked: Asked) -> View | Redirect:
    """Move what a job has left, by the same form, of the same moment: never more than it had left. One that goes by
    time begins where the job was, as far as it told: what it did in its last second is done again."""
    job_id = asked.path["id"]
    seen = await context.jobs.seen(job_id)
    if seen is None or not seen.can_go_on:
        return Redirect(f"/jobs/{(seen and seen.next) or job_id}")
    old = seen.confirmed
    form = old.form | {"counted": str(seen.left), "typed": str(seen.left), "rate": f"{old.rate:g}"}
    if seen.numbers.reached_ms:
        form["since"] = iso(seen.numbers.reached_ms)
    form["why"] = old.action.why or f"goes on with {job_id}"
    done = await _begin(context, replace(asked, form=form), after=job_id)
    if isinstance(done, Redirect) and seen.state == "interrupted":
        progress = Progress()
        progress.set(seen.numbers.moved, seen.numbers.gone, is_stopped=True)
        await audit.end(context.client, old.action, job_id, progress)
    return done


async def _begin(context: Context, asked: Asked, *, same: Hashable = None, after: str = "") -> View | Redirect:
    form = asked.form
    try:
        plan = await planning.planned(context, form)
    except FailedError as error:
        return await planning.refused(context, asked, error)
    if problem := _problem(form, plan, is_rest=bool(after)):
        return planning.show(form, plan, problem)
    action = asked.action(plan.verb.action, plan.criteria, plan.move.moving)
    kept = {name: text for name, text in form.items() if name in CONFIRMED}
    confirmed = Confirmed(action, kept, plan.move.moving, _rate(form))
    try:
        job = await context.jobs.start(plan.move, confirmed, same=same, after=after)
    except FailedError as error:
        return planning.show(form, plan, str(error))
    return Redirect(f"/jobs/{job.id}")


async def page(context: Context, asked: Asked) -> View:
    """A job with its progress, of whichever console; an old one from the audit."""
    job_id = asked.path["id"]
    seen = await context.jobs.seen(job_id)
    entry = None if seen else await _recorded(context, job_id)
    verb = BY_ACTION.get(seen.confirmed.action.verb) if seen else None
    values: dict[str, Any] = {"seen": seen, "entry": entry, "id": job_id, "verb": verb}
    is_live = seen is not None and (seen.state == "runs" or seen.can_go_on)
    return View("job.html", values, "A move", "/actions", is_live=is_live)


async def stop(context: Context, asked: Asked) -> Redirect:
    """Stop between two batches; the rest stays. Another console hears of it with its next beat."""
    job_id = asked.path["id"]
    if (job := context.jobs.get(job_id)) is not None:
        job.stopping.set()
    elif (await context.jobs.seen(job_id)) is not None:
        await job_store.ask_to_stop(context.client, job_id, asked.person.name)
    else:
        raise FailedError("no console runs such a move")
    return Redirect(f"/jobs/{job_id}")


def _problem(form: Mapping[str, str], plan: Planned, *, is_rest: bool) -> str:
    """Why a plan does not run, "" if it does. The rest of a job may be nothing: its console died at the very end."""
    moving = plan.move.moving
    if not plan.has_work and not is_rest:
        return "nothing is left to move: it was moved meanwhile, or nobody would handle it"
    counted = form.get("counted", "")
    if not is_number(counted):
        return "it was not counted before"
    may_grow = plan.verb.is_whole or (is_rest and plan.is_by_time)
    if moving > (confirmed := int(counted)) and not may_grow:
        return f"{moving - confirmed:,} more came meanwhile: {moving:,} now"
    if planning.is_typed(plan) and form.get("typed", "").replace(",", "") != counted:
        return f"type {moving} to confirm"
    rate = _rate(form)
    return "" if math.isfinite(rate) and rate >= 0 else "the rate must be a number, 0 for no limit"


def _rate(form: Mapping[str, str]) -> float:
    try:
        return float(form.get("rate") or 0)
    except ValueError:
        return math.nan


async def _recorded(context: Context, job_id: str) -> Entry:
    entries = await audit.fetch(context.client, SEARCHED)
    found = next((entry for entry in entries if job_id in (entry.id, entry.begun)), None)
    if found is None:
        raise FailedError(f"no action {job_id} among the last {SEARCHED:,}")
    return found

"""`POST /run` begins a move that was planned; `/jobs/{id}` shows it to everybody; `POST /jobs/{id}/stop` ends it."""

import math
from collections.abc import Mapping
from typing import Any, Final

from ....shared.command import FailedError
from ... import audit
from ...audit import Action, Entry
from .. import chosen
from ..asked import Asked, Context, is_number
from ..view import Redirect, View
from . import plan as planning

SEARCHED: Final = 1000
"""Actions looked through for a job that this console did not run."""
WHY_CHARS: Final = 200
CONFIRMED: Final = ("verb", "counted", chosen.UNTIL, *chosen.FIELDS)
"""Fields that make two forms the same: one plan, of one moment."""


async def run(context: Context, asked: Asked) -> View | Redirect:
    """Begin. Whatever keeps it from beginning is said on the plan, which is counted anew, and nothing has changed."""
    form = asked.form
    confirmed = frozenset((name, text) for name, text in form.items() if name in CONFIRMED)
    if (same := context.jobs.of(confirmed)) is not None:
        return Redirect(f"/jobs/{same.id}")
    try:
        plan, store = await planning.planned(context, form)
    except FailedError as error:
        return await planning.refused(context, asked, error)
    if problem := _problem(form, plan.moving, is_discard=plan.verb == "discard"):
        return planning.show(form, plan, problem)
    action = Action(
        verb=f"dlq {plan.verb}",
        who=asked.person.name,
        role=asked.person.role,
        via="console",
        criteria=plan.criteria.options(),
        matching=plan.moving,
        why=form.get("why", "").strip()[:WHY_CHARS],
    )
    try:
        job = await context.jobs.start(store, plan, action, _rate(form), confirmed=confirmed)
    except FailedError as error:
        return planning.show(form, plan, str(error))
    return Redirect(f"/jobs/{job.id}")


async def page(context: Context, asked: Asked) -> View:
    """A job of this console with its progress; one of another from the audit."""
    job_id = asked.path["id"]
    job = context.jobs.get(job_id)
    entry = None if job else await _recorded(context, job_id)
    values: dict[str, Any] = {"job": job, "entry": entry, "id": job_id}
    is_live = job is not None and job.state == "runs"
    return View("job.html", values, "A move", "/actions", is_live=is_live)


async def stop(context: Context, asked: Asked) -> Redirect:
    """Stop between two batches; the rest stays."""
    job = context.jobs.get(asked.path["id"])
    if job is None:
        raise FailedError("this console runs no such move")
    job.stopping.set()
    return Redirect(f"/jobs/{job.id}")


def _problem(form: Mapping[str, str], moving: int, *, is_discard: bool) -> str:
    """Why a plan does not run, "" if it does."""
    if not moving:
        return "nothing is left to move: it was moved meanwhile, or nobody would handle it"
    counted = form.get("counted", "")
    if not is_number(counted):
        return "it was not counted before"
    if moving > (confirmed := int(counted)):
        more = moving - confirmed
        return f"{more:,} more came meanwhile that had died before; {moving:,} are they now"
    if is_discard and moving > planning.TYPE_ABOVE and form.get("typed", "").replace(",", "") != counted:
        return f"type {moving} to discard so many"
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

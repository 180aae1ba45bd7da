"""`POST /plan`: what a redrive or a discard of a filter would move, bounded by this moment. Writes nothing."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast
from urllib.parse import urlencode

from ....shared.command import FailedError
from ....shared.times import iso
from ...dlq import plan as planning
from ...dlq.plan import Plan, Verb
from ...dlq.query import DeadLetters
from ...inventory import registry
from .. import chosen
from ..asked import Asked, Context, WrongQueryError
from ..view import View
from . import dead, gone

VERBS: Final = {"redrive": "Redrive", "discard": "Discard"}
TYPE_ABOVE: Final = 100
"""A discard of more letters wants their number typed: it cannot be undone."""
MAX_CAUSES: Final = 20

_RATE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
"""What a field for numbers takes; of anything else browsers complain."""


async def page(context: Context, asked: Asked) -> View:
    """The plan, and the form that runs it; or the page that the form came from, with what keeps it from being one."""
    try:
        plan, _ = await planned(context, asked.form)
    except FailedError as error:
        return await refused(context, asked, error)
    return show(asked.form, plan)


async def refused(context: Context, asked: Asked, error: FailedError) -> View:
    """The page with the letters of a form: nothing was changed, and why."""
    form = asked.form
    group, name = form.get("group", ""), form.get("id", "")
    if group and name and not isinstance(error, WrongQueryError):
        return await gone.show(context, group, name, problem=str(error))
    return await dead.show(context, asked, chosen.fields(form), refused=error)


def show(form: Mapping[str, str], plan: Plan, problem: str = "") -> View:
    """A plan; `problem` is why it did not run."""
    until_ms = plan.criteria.until_ms
    values: dict[str, Any] = {
        "plan": plan,
        "verb": VERBS[plan.verb],
        "fields": _frozen(form, plan),
        "until_ms": until_ms,
        "id": secrets.token_hex(8),
        "leave": "/dead?" + urlencode(chosen.fields(form), errors="replace"),
        "causes": plan.causes[:MAX_CAUSES],
        "more_causes": len(plan.causes) - MAX_CAUSES,
        "is_typed": plan.verb == "discard" and plan.moving > TYPE_ABOVE,
        "command": chosen.command(
            plan.verb, form, plan.criteria, rate=form.get("rate", ""), why=form.get("why", "").strip()
        ),
        "problem": problem,
        "rate": rate if _RATE.fullmatch(rate := form.get("rate", "")) else "0",
        "why": form.get("why", ""),
    }
    status = 409 if problem else 200
    return View("plan.html", values, f"{VERBS[plan.verb]} {plan.moving:,}", "/dead", status, is_live=False)


async def planned(context: Context, form: Mapping[str, str]) -> tuple[Plan, DeadLetters]:
    """The plan of a form, and where its letters are. Raises FailedError."""
    verb = form.get("verb", "")
    if verb not in VERBS:
        raise WrongQueryError(f"{verb!r} is neither redrive nor discard")
    store = await DeadLetters.open(context.client, context.shards)
    now_ms = await registry.now_ms(context.client)
    criteria = chosen.criteria(form, now_ms)
    criteria = replace(criteria, until_ms=min(criteria.until_ms, now_ms))
    make = {"redrive": planning.redrive, "discard": planning.discard}[cast("Verb", verb)]
    return await make(context.client, store, criteria), store


def _frozen(form: Mapping[str, str], plan: Plan) -> dict[str, str]:
    """The filter with times that stay: an age would be another one when the plan runs. `until_ms` is beside it."""
    fields = {name: text for name, text in chosen.fields(form).items() if name not in ("since", "until")}
    since_ms = plan.criteria.since_ms
    return fields | ({"since": iso(since_ms)} if since_ms else {})

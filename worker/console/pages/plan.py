"""`POST /plan`: what a redrive or a discard of a filter would move, bounded by this moment. Writes nothing."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast

from ....shared.command import FailedError
from ...dlq import plan as planning
from ...dlq.plan import Plan, Verb
from ...dlq.query import DeadLetters
from ...inventory import registry
from .. import chosen
from ..asked import Asked, Context
from ..view import View

VERBS: Final = {"redrive": "Redrive", "discard": "Discard"}
TYPE_ABOVE: Final = 100
"""A discard of more letters wants their number typed: it cannot be undone."""
MAX_CAUSES: Final = 20


async def page(context: Context, asked: Asked) -> View:
    """The plan, and the form that runs it."""
    return await show(context, asked.form)


async def show(context: Context, form: Mapping[str, str], problem: str = "") -> View:
    """Plan anew what a form names; `problem` is why it did not run."""
    plan, _ = await planned(context, form)
    until_ms = plan.criteria.until_ms
    values: dict[str, Any] = {
        "plan": plan,
        "verb": VERBS[plan.verb],
        "fields": chosen.fields(form),
        "until_ms": until_ms,
        "causes": plan.causes[:MAX_CAUSES],
        "more_causes": len(plan.causes) - MAX_CAUSES,
        "is_typed": plan.verb == "discard" and plan.moving > TYPE_ABOVE,
        "command": chosen.command(plan.verb, form, until_ms),
        "problem": problem,
        "rate": form.get("rate", "0"),
        "why": form.get("why", ""),
    }
    status = 409 if problem else 200
    return View("plan.html", values, f"{VERBS[plan.verb]} {plan.moving:,}", "/dead", status, is_live=False)


async def planned(context: Context, form: Mapping[str, str]) -> tuple[Plan, DeadLetters]:
    """The plan of a form, and where its letters are. Raises FailedError."""
    verb = form.get("verb", "")
    if verb not in VERBS:
        raise FailedError(f"{verb!r} is neither redrive nor discard")
    store = await DeadLetters.open(context.client, context.shards)
    criteria = chosen.criteria(form)
    now_ms = await registry.now_ms(context.client)
    criteria = replace(criteria, until_ms=min(criteria.until_ms, now_ms))
    make = {"redrive": planning.redrive, "discard": planning.discard}[cast("Verb", verb)]
    return await make(context.client, store, criteria), store

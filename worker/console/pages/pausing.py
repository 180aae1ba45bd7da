"""`POST /groups/{group}/pause` and `/resume`: what that would do, with its command; confirmed, it is done, and the
page of the group says what was done. Where it can't be done, that page says why, and who was first."""

from functools import partial
from typing import Any, Final
from urllib.parse import quote

from ....shared.command import FailedError
from ....shared.patterns import is_pattern, matches
from ...dlq.query import DeadLetters
from ...groups import pausing
from ...groups.pausing import Change, Plan
from .. import unended
from ..asked import Asked, Context, WrongQueryError
from ..view import Redirect, View
from . import group

VERBS: Final = {"pause": "Pause", "resume": "Resume"}
MAX_TYPES: Final = 50


async def pause(context: Context, asked: Asked) -> View | Redirect:
    """Pause a group, or a pattern of it."""
    return await _answer(context, Change("pause", asked.path["group"], _pattern(asked), asked.why), asked)


async def resume(context: Context, asked: Asked) -> View | Redirect:
    """End pauses, breakers and holds."""
    return await _answer(context, Change("resume", asked.path["group"], _pattern(asked), asked.why), asked)


def _pattern(asked: Asked) -> str:
    if not is_pattern(pattern := asked.form.get("pattern", "")):
        raise WrongQueryError(f"{pattern[:200]!r} is neither a type nor 'prefix.*' nor '*'")
    return pattern


async def _answer(context: Context, change: Change, asked: Asked) -> View | Redirect:
    store = await DeadLetters.open(context.client, context.shards)
    store.require(change.group)
    try:
        if not asked.form.get("confirmed"):
            return _show(context, await pausing.plan(context.client, store, change))
        action = asked.action(change.verb, change.criteria)
        done = await pausing.run(context.client, store, change, action, partial(unended.warn, change.verb))
    except FailedError as error:
        return await group.unpaused(context, change.group, error)
    await context.looker.renew()
    return Redirect(f"/groups/{quote(change.group, safe='')}?done={done.record}")


def _show(context: Context, plan: Plan) -> View:
    change, look = plan.change, context.look
    status = look.bus.status.groups.get(change.group)
    types = sorted(status.types.items(), key=lambda item: (-item[1].backlog, item[0])) if status else []
    concerned = [(kind, each) for kind, each in types if matches(change.pattern, kind)]
    values: dict[str, Any] = {
        "plan": plan,
        "change": change,
        "verb": VERBS[change.verb],
        "types": concerned[:MAX_TYPES],
        "more_types": len(concerned) - MAX_TYPES,
        "now_ms": look.now_ms(),
    }
    return View("pausing.html", values, f"{VERBS[change.verb]} {change.group}", "/", is_live=False)

"""`POST /plan`: what a move of a filter would do, bounded by this moment. Writes nothing."""

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from ....shared import shell
from ....shared.command import FailedError
from .. import chosen
from ..asked import Asked, Context, WrongQueryError
from ..plans import forgets, letters, replays, waits
from ..plans.planned import Planned
from ..view import View
from . import dead, gone, group, retries

TYPE_ABOVE: Final = 100
"""A move of more than these that cannot be undone wants their number typed."""
MAX_ROWS: Final = 20

_RATE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
"""What a field for numbers takes; of anything else browsers complain."""


class Kind(NamedTuple):
    """What moves the same things: how it is planned, and the page of a form that is no plan, with why."""

    plan: Callable[[Context, str, Mapping[str, str]], Awaitable[Planned]]
    refused: Callable[[Context, Asked, FailedError], Awaitable[View]]


async def page(context: Context, asked: Asked) -> View:
    """The plan, and the form that runs it; or the page that the form came from, with what keeps it from being one."""
    try:
        planned_ = await planned(context, asked.form)
    except FailedError as error:
        return await refused(context, asked, error)
    return show(asked.form, planned_)


async def planned(context: Context, form: Mapping[str, str]) -> Planned:
    """The plan of a form. Raises FailedError."""
    verb = form.get("verb", "")
    if verb not in KINDS:
        raise WrongQueryError(f"{verb!r} is none of {', '.join(KINDS)}")
    return await KINDS[verb].plan(context, verb, form)


async def refused(context: Context, asked: Asked, error: FailedError) -> View:
    """The page of what a form is about: nothing was changed, and why."""
    return await KINDS.get(asked.form.get("verb", ""), LETTERS).refused(context, asked, error)


async def _letters(context: Context, asked: Asked, error: FailedError) -> View:
    form = asked.form
    group, name = form.get("group", ""), form.get("id", "")
    if group and name and not isinstance(error, WrongQueryError):
        return await gone.show(context, group, name, problem=str(error))
    return await dead.show(context, asked, chosen.fields(form), refused=error)


async def _waits(context: Context, asked: Asked, error: FailedError) -> View:
    return await retries.show(context, asked, asked.form, refused=error)


async def _group(context: Context, asked: Asked, error: FailedError) -> View:
    return await group.show(context, asked.form.get("group", ""), refused=error)


LETTERS: Final = Kind(letters.plan, _letters)
WAITS: Final = Kind(waits.plan, _waits)
REPLAYS: Final = Kind(replays.plan, _group)
FORGETS: Final = Kind(forgets.plan, _group)
KINDS: Final[Mapping[str, Kind]] = {
    "redrive": LETTERS,
    "discard": LETTERS,
    "now": WAITS,
    "dead-letter": WAITS,
    "replay": REPLAYS,
    "forget": FORGETS,
}
"""By the name of a verb."""


def show(form: Mapping[str, str], planned: Planned, problem: str = "") -> View:
    """A plan; `problem` is why it did not run."""
    rate, why = "" if planned.verb.is_whole else form.get("rate", ""), form.get("why", "")
    options = {name: text for name, text in {"rate": rate, "why": why.strip()}.items() if text not in ("", "0")}
    values: dict[str, Any] = {
        "plan": planned,
        "verb": form["verb"],
        "id": secrets.token_hex(8),
        "rows": planned.rows[:MAX_ROWS],
        "more_rows": len(planned.rows) - MAX_ROWS,
        "is_typed": is_typed(planned),
        "command": " ".join(filter(None, (planned.command, shell.command(chosen.as_options(options))))),
        "problem": problem,
        "rate": rate if _RATE.fullmatch(rate) else "0",
        "why": why,
    }
    status = 409 if problem else 200
    return View("plan.html", values, planned.title, planned.verb.things.page, status, is_live=False)


def is_typed(planned: Planned) -> bool:
    """Whether the number of a plan has to be typed."""
    return planned.verb.is_final and planned.move.moving > TYPE_ABOVE

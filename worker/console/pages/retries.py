"""`/retries`: what waits for its next attempt, soonest first, and why the last one failed."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from ....shared.command import FailedError
from ...dlq.query import DeadLetters
from ...retries.query import START, Retries
from ...retries.waiting import Waiting
from ..asked import Asked, Context, WrongQueryError, place
from ..plans import waits
from ..view import View

ROWS: Final = 50
AFTER: Final = "after"
"""The place of the last one of the page before, in the URL."""


async def page(context: Context, asked: Asked) -> View:
    """One page of what matches the filter in the URL."""
    return await show(context, asked, asked.query)


async def show(context: Context, asked: Asked, query: Mapping[str, str], *, refused: FailedError | None = None) -> View:
    """The page of a filter; `refused` is why an action on it did not happen."""
    chosen = waits.fields(query)
    store = await DeadLetters.open(context.client, context.shards)
    found, unreadable, problem = list[Waiting](), list[str](), refused
    try:
        retries = await Retries.open(context.client, store, waits.criteria(chosen))
        found = await retries.page(waits.criteria(chosen), ROWS + 1, place(query.get(AFTER, "")) or START)
        unreadable = retries.unreadable
    except FailedError as error:
        problem = refused or error
    shown, more = found[:ROWS], ""
    if len(found) > ROWS:
        more = "/retries?" + urlencode({**chosen, AFTER: f"{shown[-1].due_ms},{shown[-1].place[1]}"}, errors="replace")
    values: dict[str, Any] = {
        "waiting": shown,
        "chosen": chosen,
        "groups": store.groups,
        "after": query.get(AFTER, ""),
        "more": more,
        "unreadable": unreadable,
        "problem": str(problem or ""),
        "refused": refused is not None,
        "now_ms": context.look.now_ms(),
    }
    status = 200 if problem is None else 400 if isinstance(problem, WrongQueryError) else 409 if refused else 404
    return View("retries.html", values, "Retries", "/retries", status, is_live=refused is None)

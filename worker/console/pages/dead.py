"""`/dead`: dead letters by cause, and the letters, newest first, of a filter that is in the URL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from ....shared.command import FailedError
from ...dlq import possible
from ...dlq.causes import Summary
from ...dlq.filter import Filter
from ...dlq.query import DeadLetters, Page
from .. import bars, chosen
from ..asked import Asked, Context, WrongQueryError, place
from ..bars import Bar
from ..view import View

MAX_CAUSES: Final = 50
MAX_LETTERS: Final = 50
"""Rows of a page: what a person looks through. A filter has fewer."""
BEFORE: Final = "before"
"""The place of the last letter of the page before, in the URL: its time and name."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What matches a filter, or the `problem` of one that can match nothing."""

    criteria: Filter = field(default_factory=Filter)
    causes: Sequence[Summary] = ()
    page: Page = field(default_factory=lambda: Page([], 0))
    deaths: Sequence[Bar] = ()
    problem: str = ""
    status: int = 200


async def page(context: Context, asked: Asked) -> View:
    """Reads what matches the filter; costs the same however many letters there are."""
    return await show(context, asked, asked.query)


async def show(context: Context, asked: Asked, query: Mapping[str, str], *, refused: FailedError | None = None) -> View:
    """The page of a filter; `refused` is why an action on it did not happen."""
    store = await DeadLetters.open(context.client, context.shards)
    found = await _find(context, store, query)
    fields = chosen.fields(query)
    verb = "redrive" if asked.person.is_operator else "list"
    values: dict[str, Any] = {
        "causes": found.causes[:MAX_CAUSES],
        "cause_count": len(found.causes),
        "letters": found.page.letters,
        "total": found.page.total,
        "all": sum(group.dead for group in context.look.bus.status.groups.values()),
        "chosen": fields,
        "groups": store.groups,
        "reasons": chosen.REASONS,
        "now_ms": context.look.now_ms(),
        "links": [_link(fields, group=each.group, fingerprint=each.fingerprint) for each in found.causes[:MAX_CAUSES]],
        "newest": _link(fields) if query.get(BEFORE) else "",
        "older": _link(fields, before=f"{found.page.last[0]},{found.page.last[1]}") if found.page.last else "",
        "deaths": found.deaths,
        "died": sum(each.died for each in found.deaths),
        "export": "/export?" + urlencode(fields, errors="replace") if asked.sees_bodies else "",
        "unreadable": store.unreadable,
        "problem": found.problem,
        "refused": str(refused or ""),
        "commands": [chosen.command(each, fields, found.criteria) for each in ("groups", verb)],
    }
    status = found.status if refused is None else 400 if isinstance(refused, WrongQueryError) else 409
    return View("dead.html", values, "Dead letters", "/dead", status, is_live=refused is None)


async def asked_for(context: Context, store: DeadLetters, query: Mapping[str, str]) -> Filter:
    """The filter of a query. Raises FailedError for one that can match nothing."""
    criteria = chosen.criteria(query, context.look.now_ms())
    for group in criteria.groups:
        store.require(group)
    await possible.require(context.client, store, criteria.types)
    return criteria


async def _find(context: Context, store: DeadLetters, query: Mapping[str, str]) -> _Found:
    try:
        criteria = await asked_for(context, store, query)
        found = await store.page(criteria, MAX_LETTERS, place(query.get(BEFORE, "")))
    except FailedError as error:
        return _Found(problem=str(error), status=400 if isinstance(error, WrongQueryError) else 404)
    if criteria.names:
        return _Found(criteria, page=found)
    times = bars.edges(criteria, context.look.now_ms())
    deaths = await store.deaths(criteria, times)
    return _Found(criteria, await store.summaries(criteria), found, bars.of(deaths, times) if deaths else ())


def _link(fields: Mapping[str, str], **more: str) -> str:
    return "/dead?" + urlencode({**fields, **more}, errors="replace")

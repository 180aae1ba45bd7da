"""`/events`: the stored events, newest first, as they come; or those before or after a place."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from ....shared import patterns
from ....shared.nearest import did_you_mean
from ....shared.samples import samples
from ...find import newest
from ...find.newest import Chosen, Page, Place
from ..asked import Asked, Context, WrongQueryError
from ..view import View

EVERY_MS: Final = 1000
"""How often an open page asks for what is new."""
FIELDS: Final = ("type", "source")


async def page(context: Context, asked: Asked) -> View:
    """The newest ones are followed, those of a place stay. Raises WrongQueryError."""
    fields = {name: text for name in FIELDS if (text := asked.query.get(name, "").strip())}
    chosen = Chosen(fields.get("type", ""), fields.get("source", ""))
    if chosen.pattern and not patterns.is_pattern(chosen.pattern):
        raise WrongQueryError(f"{chosen.pattern!r} is neither an event type nor prefix.*")
    before, after = _place(asked.query, "before"), _place(asked.query, "after")
    if after is not None:
        found = await newest.newer(context.client, context.shards, chosen, after)
    elif before is not None:
        found = await newest.older(context.client, context.shards, chosen, before)
    else:
        found = await context.tail.page(chosen)
    is_live = after is None and before is None
    values: dict[str, Any] = {
        "found": found,
        "chosen": fields,
        "is_followed": is_live,
        "problem": _problem(chosen, found),
        "now_ms": context.look.now_ms(),
        "sends": context.sending is not None,
        "samples": samples(),
        **_links(fields, found, after, is_live=is_live),
    }
    top = found.events[0].place if found.events else ""
    version = f"{context.looker.version} {top}"
    return View("events.html", values, "Events", "/events", is_live=is_live, every_ms=EVERY_MS, version=version)


def _links(fields: Mapping[str, str], found: Page, after: Place | None, *, is_live: bool) -> dict[str, str]:
    """Addresses of what is before and after, "" for none. To pause is to look at a page that stays."""
    oldest = found.more if after is None else found.events[-1].place if found.events else after
    top = found.events[0].place if found.events else None
    newest_seen = (found.more or top) if after is not None else top
    return {
        "older": _link(fields, before=str(oldest)) if oldest else "",
        "newer": _link(fields, after=str(newest_seen)) if newest_seen and not is_live else "",
        "newest": _link(fields),
        "pause": _link(fields, before=str(top.inclusive)) if top else "",
    }


def _problem(chosen: Chosen, found: Page) -> str:
    if not chosen.pattern or any(patterns.matches(chosen.pattern, name) for name in found.types):
        return ""
    return f"no event of the type {chosen.pattern} is stored{did_you_mean(chosen.pattern, found.types)}"


def _place(query: Mapping[str, str], name: str) -> Place | None:
    try:
        return Place.of(text) if (text := query.get(name, "")) else None
    except ValueError as error:
        raise WrongQueryError(str(error)) from None


def _link(fields: Mapping[str, str], **more: str) -> str:
    return "/events?" + urlencode({**fields, **more}, errors="replace")

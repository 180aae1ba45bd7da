"""`/retries`: what waits for its next attempt, soonest first, and why the last one failed."""

from typing import Any, Final
from urllib.parse import urlencode

from ...dlq.query import DeadLetters
from ...retries.query import START, Retries
from ...retries.waiting import Filter
from ..asked import Asked, Context, place
from ..view import View

ROWS: Final = 50
FIELDS: Final = ("group", "type", "error")


async def page(context: Context, asked: Asked) -> View:
    """One page; `after` is the place of the last one of the page before."""
    chosen = {name: text for name in FIELDS if (text := asked.query.get(name, "").strip())}
    store = await DeadLetters.open(context.client, context.shards)
    if "group" in chosen:
        store.require(chosen["group"])
    criteria = Filter(
        groups=tuple(filter(None, [chosen.get("group")])),
        types=tuple(filter(None, [chosen.get("type")])),
        errors=tuple(filter(None, [chosen.get("error")])),
    )
    after = asked.query.get("after", "")
    retries = Retries(context.client, store.shards, store.groups)
    found = await retries.page(criteria, ROWS + 1, place(after) or START)
    shown = found[:ROWS]
    more = ""
    if len(found) > ROWS:
        more = "/retries?" + urlencode({**chosen, "after": f"{shown[-1].due_ms},{shown[-1].place[1]}"})
    values: dict[str, Any] = {
        "waiting": shown,
        "chosen": chosen,
        "groups": store.groups,
        "after": after,
        "more": more,
        "unreadable": retries.unreadable,
        "now_ms": context.look.now_ms(),
    }
    return View("retries.html", values, "Retries", "/retries")

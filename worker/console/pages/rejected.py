"""`/rejected`: the last requests that ingest refused: why a sender's events do not arrive."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from ....shared import rejection
from ....shared.rejection import Rejection
from ..asked import Asked, Context, entry_id
from ..view import View

ROWS: Final = 100
"""A hundred kilobytes."""


class Refused(NamedTuple):
    """What requests that were refused alike have in common; `newest` is the last of them."""

    requests: int
    newest: Rejection


async def page(context: Context, asked: Asked) -> View:
    """One page of them, newest first; `before` is the entry at the end of the page before."""
    before = entry_id(asked.query.get("before", ""), "entry")
    found = await rejection.page(context.client, ROWS, before)
    values: dict[str, Any] = {
        "alike": alike(found.rejections),
        "found": found,
        "before": before,
        "now_ms": context.look.now_ms(),
    }
    return View("rejected.html", values, "Rejected", "/rejected")


def alike(rejections: Iterable[Rejection]) -> Sequence[Refused]:
    """By code, source and peer, most first. Those that were not recorded are counted with the one that says so."""
    found: dict[tuple[str, str, str], Refused] = {}
    for each in rejections:
        key = each.code, each.source, each.peer
        requests, newest = found.get(key, Refused(0, each))
        found[key] = Refused(requests + 1 + each.left_out, newest)
    return sorted(found.values(), key=lambda refused: -refused.requests)

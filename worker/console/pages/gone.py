"""The page of a dead letter that is gone: what became of it, and where its event is looked for."""

from typing import Any, Final
from urllib.parse import urlencode

from ... import audit
from .. import fate, parts
from ..asked import Context
from ..view import View

ACTIONS: Final = 1000
"""The last ones, among which the one is looked for that moved, forgot or sent something: half a megabyte."""


async def show(context: Context, group: str, name: str, *, problem: str = "") -> View:
    """`problem` is why an action on it did not happen."""
    unasked = dict(context.look.beside.unasked)
    entries = await parts.read("what became of it", audit.fetch(context.client, ACTIONS), unasked)
    values: dict[str, Any] = {
        "fate": fate.of(entries or (), group, name),
        "group": group,
        "name": name,
        "actions": ACTIONS,
        "unasked": unasked,
        "problem": problem,
        "event": "/event?" + urlencode({"id": name.partition("~")[0]}, errors="replace"),
        "others": "/dead?" + urlencode({"group": group}, errors="replace"),
    }
    return View("gone.html", values, f"{name} is gone", "/dead", 409 if problem else 404, is_live=False)

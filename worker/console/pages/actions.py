"""`/actions`: who changed what, by a tool or here, when and why."""

from typing import Any, Final

from ... import audit
from ..asked import Asked, Context, entry_id
from ..view import View

ROWS: Final = 50


async def page(context: Context, asked: Asked) -> View:
    """One page of the audit, newest first; `before` is the id of the last one of the page before."""
    before = entry_id(asked.query.get("before", ""), "action")
    entries = await audit.fetch(context.client, ROWS, before=before)
    older = entries[-1].id if len(entries) == ROWS else ""
    values: dict[str, Any] = {"entries": entries, "older": older, "before": before}
    return View("actions.html", values, "Actions", "/actions")

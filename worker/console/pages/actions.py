"""`/actions`: who changed what, by a tool or here, when and why."""

import re
from typing import Any, Final

from ... import audit
from ..asked import Asked, Context, WrongQueryError
from ..view import View

ROWS: Final = 50


async def page(context: Context, asked: Asked) -> View:
    """One page of the audit, newest first; `before` is the id of the last one of the page before."""
    before = asked.query.get("before", "")
    if before and not re.fullmatch(audit.ID, before):
        raise WrongQueryError(f"{before!r} is no id of an action")
    entries = await audit.fetch(context.client, ROWS, before=before)
    older = entries[-1].id if len(entries) == ROWS else ""
    values: dict[str, Any] = {"entries": entries, "older": older, "before": before}
    return View("actions.html", values, "Actions", "/actions")

"""`/groups/{group}`: one group: what waits by type, who handles it, what suspends it, and why letters died."""

from typing import Any, Final

from ....shared.command import FailedError
from .. import attention, worst
from ..asked import Asked, Context
from ..view import View

MAX_CAUSES: Final = 50
"""Rows of the page, of most letters; the page of dead letters has the others by filter."""


async def page(context: Context, asked: Asked) -> View:
    """Draws from the last look alone."""
    look, name = context.look, asked.path["group"]
    if (group := look.bus.status.groups.get(name)) is None:
        raise FailedError(f"no group {name}")
    causes = [cause for cause in look.causes if cause.group == name]
    values: dict[str, Any] = {
        "look": look,
        "name": name,
        "group": group,
        "oldest_s": worst.oldest_s(group),
        "patterns": sorted(look.bus.patterns.get(name, ())),
        "types": sorted(group.types.items(), key=lambda item: (-item[1].backlog - item[1].in_flight, item[0])),
        "causes": causes[:MAX_CAUSES],
        "cause_count": len(causes),
        "troubles": [each for each in attention.of_look(look) if each.group == name],
        "waiting": context.looker.history.series("waiting", name),
    }
    return View("group.html", values, name, "/")

"""`/processes`: who is there, alive or not, of which release, and what each holds."""

from ....shared.keys import HANDOVER
from ..asked import Asked, Context
from ..view import View


async def page(context: Context, _: Asked) -> View:
    """Reads the processes once for each look, however many ask."""
    found = await context.looker.processes()
    values = {
        "ingests": sorted(found.ingests, key=lambda each: not each.is_alive),
        "workers": sorted(found.workers, key=lambda each: not each.is_alive),
        "unusable": found.unusable,
        "handover": HANDOVER,
        "now_ms": found.now_ms,
    }
    return View("processes.html", values, "Processes", "/processes")

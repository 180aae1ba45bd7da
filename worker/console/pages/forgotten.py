"""The page of a group that was forgotten: by whom, when and why, as far as the actions tell."""

from ....shared.command import FailedError
from ... import audit
from .. import parts
from ..asked import Context
from ..view import View
from .gone import ACTIONS


async def show(context: Context, name: str, refused: FailedError | None) -> View:
    """`refused` is why an action on it did not happen. Raises it, or another FailedError, for a group that no action
    has forgotten, and where Redis does not tell."""
    entries = await parts.read("who forgot it", audit.fetch(context.client, ACTIONS), {}) or ()
    done = next((each for each in entries if each.verb == "forget" and each.criteria == {"group": [name]}), None)
    if done is None or done.result == "failed":
        raise refused or FailedError(f"no group {name}")
    values = {"name": name, "done": done, "problem": str(refused or "")}
    return View("forgotten.html", values, f"{name} is forgotten", "/", 404, is_live=False)

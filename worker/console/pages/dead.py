"""`/dead`: dead letters by cause, and the newest ones, of a filter that is in the URL."""

from typing import Any, Final
from urllib.parse import urlencode

from ....shared.command import FailedError
from ...dlq.filter import Filter
from ...dlq.query import DeadLetters
from ..asked import Asked, Context
from ..view import View

MAX_CAUSES: Final = 50
MAX_LETTERS: Final = 50
"""Rows of a page: what a person looks through. A filter has fewer."""
FIELDS: Final = ("group", "type", "reason", "fingerprint")


async def page(context: Context, asked: Asked) -> View:
    """Reads what matches the filter; costs the same however many letters there are."""
    criteria = _criteria(asked)
    store = await DeadLetters.open(context.client, context.shards)
    if criteria.groups and criteria.groups[0] not in store.groups:
        raise FailedError(f"no group {criteria.groups[0]}")
    causes = await store.summaries(criteria)
    found = await store.page(criteria, MAX_LETTERS)
    chosen = {name: asked.query[name] for name in FIELDS if asked.query.get(name)}
    values: dict[str, Any] = {
        "causes": causes[:MAX_CAUSES],
        "cause_count": len(causes),
        "letters": found.letters,
        "total": found.total,
        "chosen": chosen,
        "groups": store.groups,
        "now_ms": context.look.bus.now_ms if context.look else 0,
        "links": [_link(chosen, group=cause.group, fingerprint=cause.fingerprint) for cause in causes[:MAX_CAUSES]],
        "unreadable": store.unreadable,
        "command": _command(chosen),
    }
    return View("dead.html", values, "Dead letters", "/dead")


def _criteria(asked: Asked) -> Filter:
    given = {name: (asked.query[name],) if asked.query.get(name) else () for name in FIELDS}
    return Filter(
        groups=given["group"], types=given["type"], reasons=given["reason"], fingerprints=given["fingerprint"]
    )


def _link(chosen: dict[str, str], **more: str) -> str:
    return "/dead?" + urlencode({**chosen, **more})


def _command(chosen: dict[str, str]) -> str:
    options = " ".join(f"--{name} {value}" for name, value in chosen.items())
    return f"hookbus-worker dlq groups {options}".rstrip()

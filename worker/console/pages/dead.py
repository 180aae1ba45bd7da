"""`/dead`: dead letters by cause, and the newest ones, of a filter that is in the URL."""

import shlex
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from ....shared.command import FailedError
from ...dlq.query import DeadLetters
from .. import chosen
from ..asked import Asked, Context
from ..view import View

MAX_CAUSES: Final = 50
MAX_LETTERS: Final = 50
"""Rows of a page: what a person looks through. A filter has fewer."""


async def page(context: Context, asked: Asked) -> View:
    """Reads what matches the filter; costs the same however many letters there are."""
    criteria = chosen.criteria(asked.query)
    store = await DeadLetters.open(context.client, context.shards)
    if criteria.groups and criteria.groups[0] not in store.groups:
        raise FailedError(f"no group {criteria.groups[0]}")
    causes = await store.summaries(criteria)
    found = await store.page(criteria, MAX_LETTERS)
    fields = chosen.fields(asked.query)
    values: dict[str, Any] = {
        "causes": causes[:MAX_CAUSES],
        "cause_count": len(causes),
        "letters": found.letters,
        "total": found.total,
        "chosen": fields,
        "groups": store.groups,
        "now_ms": context.look.now_ms(),
        "links": [_link(fields, group=cause.group, fingerprint=cause.fingerprint) for cause in causes[:MAX_CAUSES]],
        "unreadable": store.unreadable,
        "command": _command(fields),
    }
    return View("dead.html", values, "Dead letters", "/dead")


def _link(fields: Mapping[str, str], **more: str) -> str:
    return "/dead?" + urlencode({**fields, **more})


def _command(fields: Mapping[str, str]) -> str:
    options = " ".join(f"--{name} {shlex.quote(value)}" for name, value in fields.items())
    return f"hookbus-worker dlq groups {options}".rstrip()

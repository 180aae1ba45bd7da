"""The dead letters that a page or a form is about: its fields as a filter, and as options of a command. Pure.

`until` is the moment of a plan: what died later is not in it, however long somebody reads the plan.
"""

import shlex
from collections.abc import Mapping
from typing import Final

from ...shared.times import LAST_MS, iso
from ..dlq.filter import Filter
from .asked import milliseconds

FIELDS: Final = ("group", "type", "reason", "fingerprint", "id")
UNTIL: Final = "until_ms"


def fields(given: Mapping[str, str]) -> dict[str, str]:
    """The fields of a filter that are filled in."""
    return {name: text for name in FIELDS if (text := given.get(name, "").strip())}


def criteria(given: Mapping[str, str]) -> Filter:
    """The filter. Raises WrongQueryError for a moment that is none."""
    chosen = {name: (text,) for name, text in fields(given).items()}
    return Filter(
        groups=chosen.get("group", ()),
        types=chosen.get("type", ()),
        reasons=chosen.get("reason", ()),
        fingerprints=chosen.get("fingerprint", ()),
        names=chosen.get("id", ()),
        until_ms=min(milliseconds(given.get(UNTIL) or str(LAST_MS)), LAST_MS),
    )


def command(verb: str, given: Mapping[str, str], until_ms: int) -> str:
    """The command that does the same."""
    words = ["hookbus-worker", "dlq", verb]
    for name, text in fields(given).items():
        words += [f"--{name}", shlex.quote(text)]
    return " ".join([*words, "--until", iso(until_ms)])

"""The dead letters that a page or a form is about: its fields as a filter, and as options of a command. Pure.

`until_ms` is the moment of a plan: what died later is not in it, however long somebody reads the plan.
"""

import re
from collections.abc import Mapping
from typing import Final, get_args

from ...shared import shell
from ...shared.nearest import did_you_mean
from ...shared.times import LAST_MS, iso, parse_time
from ..dlq.filter import Filter
from ..pipeline.outcome import Reason
from .asked import WrongQueryError, milliseconds

FIELDS: Final = ("group", "type", "reason", "fingerprint", "id", "since", "until")
UNTIL: Final = "until_ms"
REASONS: Final[tuple[str, ...]] = get_args(Reason)
MOVES: Final = ("redrive", "discard")
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{10}")


def fields(given: Mapping[str, str]) -> dict[str, str]:
    """The fields of a filter that are filled in."""
    return {name: text for name in FIELDS if (text := given.get(name, "").strip())}


def criteria(given: Mapping[str, str], now_ms: int) -> Filter:
    """The filter. Raises WrongQueryError for what nothing can match."""
    chosen = fields(given)
    reason, fingerprint = chosen.get("reason", ""), chosen.get("fingerprint", "").lower()
    if reason and reason not in REASONS:
        raise WrongQueryError(f"{reason} is no reason; there are: {', '.join(REASONS)}{did_you_mean(reason, REASONS)}")
    if fingerprint and not _FINGERPRINT.fullmatch(fingerprint):
        raise WrongQueryError(f"{fingerprint} is no fingerprint: 10 hex digits, as the page of a letter has them")
    since_ms, until_ms = window(given, now_ms)
    return Filter(
        groups=listed(chosen.get("group")),
        types=listed(chosen.get("type")),
        reasons=listed(reason),
        fingerprints=listed(fingerprint),
        names=listed(chosen.get("id")),
        since_ms=since_ms,
        until_ms=until_ms,
    )


def window(given: Mapping[str, str], now_ms: int) -> tuple[int, int]:
    """The times of a form, Unix ms; the second at most the moment of its plan. Raises WrongQueryError."""
    chosen = fields(given)
    since_ms, until_ms = _time(chosen, "since", 0, now_ms), _time(chosen, "until", LAST_MS, now_ms)
    if since_ms > until_ms:
        raise WrongQueryError("there is no time since one that is later than until")
    return since_ms, min(until_ms, milliseconds(given.get(UNTIL) or str(LAST_MS)))


def frozen(given: Mapping[str, str], since_ms: int) -> dict[str, str]:
    """Fields with a time that stays in place of an age; the end of a plan is its moment."""
    fields = {name: text for name, text in given.items() if name not in ("since", "until")}
    return fields | ({"since": iso(since_ms)} if since_ms else {})


def command(verb: str, given: Mapping[str, str], criteria: Filter) -> str:
    """The command that does the same; its times are those of the filter, whenever it is run."""
    words = ["hookbus-worker", "dlq", verb]
    options = frozen(fields(given), criteria.since_ms)
    if verb in MOVES and criteria == Filter():
        words.append("--all")
    if criteria.until_ms < LAST_MS:
        options["until"] = iso(criteria.until_ms)
    return shell.command(words + as_options(options))


def as_options(given: Mapping[str, str]) -> list[str]:
    """Fields as the words of options."""
    return [word for name, text in given.items() for word in (f"--{name}", text)]


def listed(text: str | None) -> tuple[str, ...]:
    """A field as the values of a filter."""
    return (text,) if text else ()


def _time(chosen: Mapping[str, str], name: str, default: int, now_ms: int) -> int:
    try:
        return parse_time(chosen[name], now_ms) if name in chosen else default
    except (ValueError, OverflowError) as error:
        raise WrongQueryError(f"{name}: {error}") from None

"""`retries now` and `retries dead-letter` of what waits for an attempt and matches a filter."""

from collections.abc import Mapping
from functools import partial
from typing import Final, cast
from urllib.parse import urlencode

from ....shared import shell
from ....shared.times import iso
from ...dlq.query import DeadLetters
from ...retries import plan as planning
from ...retries.plan import Cause
from ...retries.query import Retries
from ...retries.waiting import Filter
from .. import chosen
from ..asked import Context, milliseconds
from ..verbs import VERBS
from .planned import Move, Planned, Row

FIELDS: Final = ("group", "type", "error", "id")


def fields(given: Mapping[str, str]) -> dict[str, str]:
    """The fields of a filter that are filled in."""
    return {name: text for name in FIELDS if (text := given.get(name, "").strip())}


def criteria(given: Mapping[str, str]) -> Filter:
    """The filter of some fields."""
    group, event_type, error, name = (chosen.listed(given.get(field, "").strip()) for field in FIELDS)
    return Filter(groups=group, types=event_type, errors=error, names=name)


async def plan(context: Context, verb: str, form: Mapping[str, str]) -> Planned:
    """The plan of a form. Raises FailedError."""
    chosen_ = criteria(form)
    until = form.get(chosen.UNTIL)
    taken_ms = milliseconds(until) if until else None
    retries = await Retries.open(context.client, await DeadLetters.open(context.client, context.shards), chosen_)
    found = await planning.plan(context.client, retries, chosen_, cast("planning.Verb", verb), taken_ms)
    given = fields(form)
    options = chosen.as_options(given | {"until": iso(found.criteria.until_ms)})
    return Planned(
        verb=VERBS[verb],
        fields=given,
        until_ms=found.taken_ms,
        move=Move(found.moving, partial(planning.run, context.client, retries, found)),
        criteria=found.criteria.options(),
        command=shell.command(["hookbus-worker", "retries", verb, *options]),
        rows=list(map(_row, found.causes)),
        hindrances=found.hindrances,
        leave="/retries?" + urlencode(given, errors="replace"),
    )


def _row(cause: Cause) -> Row:
    return Row(cause.count, cause.error_class or "No attempt yet", cause.message, f"{cause.group} · {cause.type}")

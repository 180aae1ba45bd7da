"""Redrive and discard of the dead letters of a filter."""

from collections.abc import Mapping
from functools import partial
from typing import Final
from urllib.parse import urlencode

from ...dlq import plan as planning
from ...dlq.causes import Summary
from ...dlq.query import DeadLetters
from ...inventory import registry
from .. import chosen
from ..asked import Context
from ..verbs import VERBS
from .planned import Move, Planned, Row

_PLANS: Final = {"redrive": planning.redrive, "discard": planning.discard}


async def plan(context: Context, verb: str, form: Mapping[str, str]) -> Planned:
    """The plan of a form. Raises FailedError."""
    store = await DeadLetters.open(context.client, context.shards)
    criteria = chosen.criteria(form, await registry.now_ms(context.client))
    found = await _PLANS[verb](context.client, store, criteria)
    given = chosen.fields(form)
    return Planned(
        verb=VERBS[verb],
        fields=chosen.frozen(given, found.criteria.since_ms),
        until_ms=found.criteria.until_ms,
        move=Move(found.moving, partial(planning.run, context.client, store, found)),
        criteria=found.criteria.options(),
        command=chosen.command(verb, form, found.criteria),
        rows=list(map(_row, found.causes)),
        hindrances=found.hindrances,
        unsubscribed=VERBS[verb].things.left,
        leave="/dead?" + urlencode(given, errors="replace"),
    )


def _row(cause: Summary) -> Row:
    kind = cause.kind
    return Row(cause.count, kind.error_class or kind.reason, kind.message, f"{cause.group} · {kind.type}")

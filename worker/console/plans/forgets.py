"""Removals of a group, or of one type that it does not subscribe to any more."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote

from ....shared import shell
from ....shared.keys import is_name
from ...dlq.bulk import Tally
from ...groups import forget_plan as planning
from ...groups.forget import TypeFootprint
from .. import chosen
from ..asked import Context, WrongQueryError, is_number
from ..verbs import VERBS
from .planned import Move, Planned, Row

FIELDS: Final = ("group", "type", "received")
"""`received` is what the group received beside its backlog when its plan was counted."""


async def plan(context: Context, verb: str, form: Mapping[str, str]) -> Planned:
    """The plan of a form. Raises FailedError, also for a group that has a live worker, or holds more than counted."""
    group, event_type, received = (form.get(name, "").strip() for name in FIELDS)
    if event_type and not is_name(event_type):
        raise WrongQueryError(f"{event_type} is no type")
    if received and not is_number(received):
        raise WrongQueryError(f"{received!r} is no number")
    most_received = int(received) if received else None
    found = await planning.plan(context.client, context.shards, group, event_type, most_received)
    planning.require(found)
    given = {"group": group, "type": event_type} if event_type else {"group": group}

    async def run(*, rate: float, stopping: asyncio.Event, progressed: Callable[[Tally], None]) -> Tally:
        del rate  # it is one thing
        return await planning.run(context.client, context.shards, found, stopping=stopping, progressed=progressed)

    options = chosen.as_options({"type": event_type} if event_type else {})
    return Planned(
        verb=VERBS[verb],
        fields=given,
        bounds={"received": str(found.most_received)},
        until_ms=found.now_ms,
        move=Move(found.matching, run),
        criteria=found.options(),
        command=shell.command(["hookbus-worker", "forget", group, *options]),
        rows=[_row(name, counts, group) for name, counts in found.footprint.types.items() if any(_figures(counts))],
        target=found.target,
        leave=f"/groups/{quote(group, safe='')}",
    )


def _figures(counts: TypeFootprint) -> tuple[int, int, int, int]:
    return counts.backlog, counts.in_flight, counts.delayed, counts.dead


def _row(name: str, counts: TypeFootprint, group: str) -> Row:
    figures = _figures(counts)
    words = zip(figures, ("backlog", "in flight", "delayed", "dead"), strict=True)
    return Row(sum(figures), name, ", ".join(f"{number:,} {word}" for number, word in words if number), group)

"""Replays of retained events to one group: of a window, or one event."""

from collections.abc import Mapping
from functools import partial
from typing import Final
from urllib.parse import quote

from ....shared import shell
from ....shared.patterns import is_pattern
from ....shared.times import iso
from ...dlq.query import DeadLetters
from ...groups import replay_plan as planning
from ...groups.history import EventFilter
from ...inventory import registry
from .. import chosen
from ..asked import Context, WrongQueryError
from ..verbs import VERBS
from .planned import Move, Planned, Row

FIELDS: Final = ("group", "type", "id", "since", "until")


async def plan(context: Context, verb: str, form: Mapping[str, str]) -> Planned:
    """The plan of a form. Raises FailedError."""
    given = {name: text for name in FIELDS if (text := form.get(name, "").strip())}
    group, event_type, name = (given.get(each, "") for each in ("group", "type", "id"))
    if event_type and not is_pattern(event_type):
        raise WrongQueryError(f"{event_type} is neither a type nor prefix.*")
    since_ms, until_ms = chosen.window(form, await registry.now_ms(context.client))
    criteria = EventFilter(chosen.listed(event_type), chosen.listed(name), since_ms, until_ms)
    store = await DeadLetters.open(context.client, context.shards)
    found = await planning.plan(context.client, store, group, criteria)
    frozen = chosen.frozen(given, since_ms)
    options = {name: text for name, text in frozen.items() if name != "group"}
    options |= {"until": iso(found.criteria.until_ms)} if found.matching else {}
    return Planned(
        verb=VERBS[verb],
        fields=frozen,
        until_ms=found.criteria.until_ms,
        move=Move(found.moving, partial(planning.run, context.client, found)),
        criteria=found.options(),
        command=shell.command(["hookbus-worker", "replay", group, *chosen.as_options(options)]),
        rows=[Row(count, name, "", group) for name, count in sorted(found.count.types.items())],
        hindrances=found.hindrances,
        is_by_time=True,
        leave=f"/groups/{quote(group, safe='')}",
    )

"""`/groups/{group}`: one group, or with `?type=` one type of it: what waits, who handles it and how, what suspends it,
and why attempts failed."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from ....shared.command import FailedError
from ....shared.patterns import matches
from ... import audit
from ...audit import Entry
from ...dlq import unsubscribed
from ...dlq.query import DeadLetters
from ...inspect.group_status import GroupStatus
from ...retries.query import Retries
from ...retries.waiting import Filter, Waiting
from .. import attention, draw, parts, subscriptions, work, worst
from ..asked import Asked, Context, WrongQueryError, entry_id
from ..history import MINUTES
from ..look import Look
from ..view import View
from . import forgotten

MAX_CAUSES: Final = 50
"""Rows of the page, of most letters; the page of dead letters has the others by filter."""
MAX_RETRIES: Final = 8
"""Those due first; their own page has the others."""
CONSUMERS: Final = "its consumers"
RETRIES: Final = "its retries"
CHANGES: Final = ("pause", "resume")


async def page(context: Context, asked: Asked) -> View:
    """The page of a path. `done` is the record of an action whose person is led here."""
    record = entry_id(asked.query.get("done", ""), "action")
    return await show(context, asked.path["group"], asked.query.get("type", ""), record=record)


async def unpaused(context: Context, name: str, error: FailedError) -> View:
    """The page of a group as it is now: why nothing was paused or resumed, and who was the last to do so."""
    look = await context.looker.renew() or context.look
    last = next((each for each in look.beside.actions if _is_change(each, name) and each.result == "done"), None)
    return await show(replace(context, look=look), name, refused=error, last=last)


def _is_change(entry: Entry, name: str) -> bool:
    return entry.verb in CHANGES and entry.criteria.get("group") == [name]


async def _told(context: Context, name: str, record: str, unasked: dict[str, str]) -> list[str]:
    """What a change of this group has told its person, in lines; none for any other record."""
    done = await parts.read("what was done", audit.find(context.client, record), unasked) if record else None
    return done.told.splitlines() if done is not None and _is_change(done, name) else []


async def show(
    context: Context,
    name: str,
    chosen: str = "",
    *,
    record: str = "",
    refused: FailedError | None = None,
    last: Entry | None = None,
) -> View:
    """Draws from the last look, and reads processes and the retries due first, without which it is a page, too.
    `refused` is why an action on it did not happen, `last` the last one like it."""
    look = context.look
    if (group := look.bus.status.groups.get(name)) is None:
        return await forgotten.show(context, name, refused)
    unasked = dict(look.beside.unasked)
    found = await parts.read(CONSUMERS, context.looker.processes(), unasked)
    members = [each for each in found.workers if name in each.groups] if found else []
    patterns = look.bus.patterns.get(name, frozenset())
    own = [each for each in look.beside.causes if each.group == name]
    causes = [each for each in own if chosen in ("", each.kind.type)]
    types = sorted(group.types.items(), key=lambda item: (-item[1].backlog - item[1].in_flight, item[0]))
    values: dict[str, Any] = {
        "look": look,
        "name": name,
        "group": group,
        "chosen": chosen,
        "oldest_s": worst.oldest_s(group),
        "subscriptions": subscriptions.of_group(name, patterns, members),
        "members": sorted(members, key=lambda each: (not each.is_alive, each.name)),
        "types": [(kind, status) for kind, status in types if chosen in ("", kind)],
        "causes": causes[:MAX_CAUSES],
        "cause_count": len(causes),
        "dead": sum(each.count for each in causes),
        "troubles": [[each] for each in attention.of_look(look) if each.group == name],
        "standing": len(group.paused) + len(group.breakers) + len(group.held),
        "pausable": _pausable(look, name, group),
        "unsubscribed": _unsubscribed(look, name, {*group.types, *(each.kind.type for each in own)}),
        "told": await _told(context, name, record, unasked),
        "last": last,
        "retries": await parts.read(RETRIES, _retries(context, name, chosen), unasked) or (),
        "waiting": context.looker.history.series("waiting", name),
        "waiting_day": context.looker.history.series("waiting", name, MINUTES),
        "rates": _rates(look, name),
        "now_ms": look.now_ms(),
        "unasked": unasked,
        "refused": str(refused or ""),
    }
    status = 200 if refused is None else 400 if isinstance(refused, WrongQueryError) else 409
    return View("group.html", values, name, "/", status, is_live=refused is None)


def _pausable(look: Look, name: str, group: GroupStatus) -> list[str]:
    """What of a group can be paused, beside all of it: its subscriptions and its types, but for what is paused."""
    if group.is_foreign is True:
        return []
    patterns = look.bus.patterns
    types = {*group.types}.difference(_unsubscribed(look, name, group.types))
    names = {*types, *patterns.get(name, ())}
    return sorted(each for each in names if not any(matches(paused, each) for paused in group.paused))


def _unsubscribed(look: Look, name: str, types: Iterable[str]) -> list[str]:
    """Those of some types that the group does not subscribe to."""
    return sorted(each for each in types if unsubscribed.is_unsubscribed(look.bus.patterns, name, each))


def _rates(look: Look, name: str) -> dict[str, tuple[str, list[float], str]]:
    """Name → present figure, series, and the colour of the plot."""
    minutes, now_ms = look.beside.minutes, look.bus.now_ms
    kinds = {"handled": (work.handled, "c-ok"), "failed": (work.failed, "c-bad")}
    return {
        kind: (draw.rate(points[-1]), points, colour)
        for kind, (counted, colour) in kinds.items()
        if (points := work.rates(minutes, now_ms, counted, name))
    }


async def _retries(context: Context, name: str, chosen: str) -> list[Waiting]:
    store = await DeadLetters.open(context.client, context.shards)
    criteria = Filter(groups=(name,), types=(chosen,) if chosen else ())
    return await Retries(context.client, store.shards, [name]).page(criteria, MAX_RETRIES)

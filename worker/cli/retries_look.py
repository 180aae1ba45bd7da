"""`retries list`, `groups` and `show`: queries that change nothing."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import msgspec

from ...shared import output
from ...shared.clock import now_ms
from ...shared.command import FailedError
from ..retries import plan as planning
from ..retries.query import START, Retries
from ..retries.waiting import Filter, Waiting
from . import dlq_look, dlq_tables, options, retries_tables

FEW: Final = 5
"""Deliveries kept and named where one is meant: each has its body and history."""


async def show_list(config: Path | None, criteria: Filter, limit: int, after: str, as_json: bool) -> None:
    """Print a page, and how to continue."""
    place = dlq_look.place_of("--after", after) if after else START
    async with options.dead_letters(config, "retries") as (client, store):
        retries = await Retries.open(client, store, criteria)
        page = await retries.page(criteria, limit + 1, place)
    more, page = len(page) > limit, page[:limit]
    for waiting in page if as_json else ():
        output.print_json(_summary(waiting))
    if not as_json:
        retries_tables.deliveries(page, now_ms(), is_filtered=criteria != Filter())
    if more:
        text = f"{limit:,} shown; more:\n  --after '{page[-1].due_ms},{page[-1].place[1]}'"
        if as_json:
            output.note(text, as_json=True)
        else:
            print(text)
    warn_unreadable(retries, as_json)


async def show_groups(config: Path | None, criteria: Filter, limit: int, as_json: bool) -> None:
    """Print what waits, by cause."""
    async with options.dead_letters(config, "retries") as (client, store):
        retries = await Retries.open(client, store, criteria)
        causes = await planning.count(retries, criteria)
    for cause in causes[:limit] if as_json else ():
        output.print_json(cause)
    if not as_json:
        retries_tables.causes(causes[:limit], now_ms())
        if len(causes) > limit:
            print(f"{limit:,} shown, {len(causes) - limit:,} more")
    warn_unreadable(retries, as_json)


async def show_one(config: Path | None, criteria: Filter, name: str, as_json: bool) -> None:
    """Print one delivery. Raises FailedError when none waits, or several do."""
    async with options.dead_letters(config, "retries") as (client, store):
        retries = await Retries.open(client, store, criteria)
        found = await _one(retries.walk(criteria), name)
    if as_json:
        output.print_json(_summary(found) | {"history": list(map(msgspec.structs.asdict, found.entry.history))})
    else:
        retries_tables.delivery(found, now_ms())


async def _one(walk: AsyncIterator[Waiting], name: str) -> Waiting:
    """The delivery of this webhook-id, or the only one whose webhook-id begins so. Any number may: few are kept."""
    counts = {True: 0, False: 0}
    kept: dict[bool, list[Waiting]] = {True: [], False: []}
    async for waiting in walk:
        if waiting.entry.webhook_id.startswith(name):
            is_exact = waiting.entry.webhook_id == name
            counts[is_exact] += 1
            if len(kept[is_exact]) < FEW:
                kept[is_exact].append(waiting)
    found, count = kept[bool(counts[True])], counts[bool(counts[True])]
    if not found:
        raise FailedError(f"no delivery of {output.line(name)} waits for an attempt")
    if count > 1:
        places = ", ".join(sorted({f"{each.entry.webhook_id} in {each.group}" for each in found}))
        more = ", …" if count > len(found) else ""
        raise FailedError(f"{count:,} deliveries wait: {output.line(places)}{more}; give more of the id, or --group")
    return found[0]


def _summary(waiting: Waiting) -> dict[str, Any]:
    return {
        "webhook_id": waiting.entry.webhook_id,
        "group": waiting.group,
        "type": waiting.type,
        "source": waiting.entry.source,
        "state": waiting.state,
        "due_ms": waiting.due_ms,
        "attempt": waiting.entry.attempt,
        "error": waiting.last.error if waiting.last else "",
        "last_attempt_at_ms": waiting.last.at_ms if waiting.last else None,
        "received_at_ms": waiting.entry.received_at_ms,
        "is_replay": waiting.entry.is_replay,
    }


def warn_unreadable(retries: Retries, as_json: bool) -> None:
    """Print what was skipped because it cannot be read."""
    dlq_tables.unreadable(retries.unreadable, as_json=as_json)

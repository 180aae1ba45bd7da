"""`retries list`, `groups` and `show`: queries that change nothing."""

from pathlib import Path
from typing import Any

import msgspec

from ...shared import output
from ...shared.clock import now_ms
from ...shared.command import FailedError
from ...shared.connection import Redis
from ..dlq import possible
from ..dlq.query import DeadLetters
from ..retries import plan as planning
from ..retries.query import START, Retries
from ..retries.waiting import Filter, Waiting
from . import dlq_look, dlq_tables, options, retries_tables


async def chosen(client: Redis, store: DeadLetters, criteria: Filter) -> Retries:
    """The waiting deliveries. Raises FailedError for an unknown group or type."""
    for group in criteria.groups:
        store.require(group)
    await possible.require(client, store, criteria.types)
    return Retries(client, store.shards, store.groups)


async def show_list(config: Path | None, criteria: Filter, limit: int, after: str, as_json: bool) -> None:
    """Print a page, and how to continue."""
    place = dlq_look.place_of("--after", after) if after else START
    async with options.dead_letters(config, "retries") as (client, store):
        retries = await chosen(client, store, criteria)
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
        retries = await chosen(client, store, criteria)
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
    found: list[Waiting] = []
    async with options.dead_letters(config, "retries") as (client, store):
        retries = await chosen(client, store, criteria)
        async for waiting in retries.walk(criteria):
            if waiting.entry.webhook_id.startswith(name):
                found.append(waiting)
    exact = [waiting for waiting in found if waiting.entry.webhook_id == name]
    found = exact or found
    if not found:
        raise FailedError(f"no delivery of {output.line(name)} waits for an attempt")
    if len(found) > 1:
        places = ", ".join(sorted({f"{each.entry.webhook_id} in {each.group}" for each in found})[:5])
        raise FailedError(f"{len(found):,} deliveries wait: {places}; give more of the id, or --group")
    if as_json:
        output.print_json(_summary(found[0]) | {"history": list(map(msgspec.structs.asdict, found[0].entry.history))})
    else:
        retries_tables.delivery(found[0], now_ms())


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

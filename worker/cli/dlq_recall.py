"""`dlq recall`: turns redeliveries of types that their group does not subscribe to back into dead letters."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...shared import command, output, scripts
from ...shared.command import EXIT_INTERRUPTED, Stopping
from ...shared.connection import Redis
from ...shared.patterns import matches
from .. import audit
from ..dlq import unsubscribed
from ..dlq.bulk import BATCH, Tally, move_all
from ..dlq.query import DeadLetters
from ..dlq.unsubscribed import Redelivery, UnsubscribedType
from ..inventory import registry
from . import options
from .progress import Progressed, watched
from .recorded import action, recorded


@dataclass(frozen=True, slots=True)
class Order:
    """The options of the command; without groups or types it covers all of them."""

    groups: Sequence[str]
    types: Sequence[str]
    is_dry_run: bool
    as_json: bool
    why: str

    def covers(self, place: UnsubscribedType) -> bool:
        """Whether the filter includes the redeliveries of a stream."""
        is_type = not self.types or any(matches(pattern, place.type) for pattern in self.types)
        return is_type and (not self.groups or place.group in self.groups)


def run(config: Path | None, order: Order) -> int:
    """Run the recall; returns the exit code. Raises FailedError."""
    is_interrupted = command.run_service(lambda stopping: _recall(config, order, stopping))
    return EXIT_INTERRUPTED if is_interrupted else 0


async def _recall(config: Path | None, order: Order, stopping: Stopping) -> bool:
    """Recall, and print the result; returns whether it was stopped before the end."""
    async with options.dead_letters(config) as (client, store):
        places = await _places(client, store, order)
        matching, moved = sum(place.waiting for place in places), 0
        if not order.is_dry_run and matching:
            now_ms = await registry.now_ms(client)

            async def move(batch: Sequence[Redelivery]) -> list[Any]:
                return await scripts.run_all(client, [unsubscribed.recall(each, now_ms) for each in batch])

            async def run_all(progressed: Progressed) -> Tally:
                batches = unsubscribed.walk(client, places, now_ms, BATCH)
                return await move_all(batches, move, rate=0, stopping=stopping, progressed=progressed)

            criteria = audit.options(group=order.groups, type=order.types)
            async with recorded(client, action("dlq recall", criteria, order.why, matching)) as progress:
                tally = await watched(run_all, title=lambda: "recall", total=matching)
                moved = tally.moved
                progress.set(moved, tally.gone, is_stopped=stopping.is_set() and moved < matching)
    is_interrupted = stopping.is_set() and moved < matching
    if order.as_json:
        figures = {"matching": matching, "recalled": moved}
        output.print_json({"dry_run": order.is_dry_run, **figures, "interrupted": is_interrupted})
    else:
        _show(order, places, matching, moved)
    return is_interrupted


async def _places(client: Redis, store: DeadLetters, order: Order) -> list[UnsubscribedType]:
    for group in order.groups:
        store.require(group)
    return [place for place in await unsubscribed.fetch(client, store.shards) if order.covers(place)]


def _show(order: Order, places: Sequence[UnsubscribedType], matching: int, moved: int) -> None:
    if not matching:
        print("no redelivery waits for a type that its group does not subscribe to")
        return
    if order.is_dry_run:
        for place in places:
            print(f"{place.group} · {output.line(place.type)}: {output.things(place.waiting, 'dead letter')}")
        print(f"would recall {output.things(matching, 'dead letter')}")
        return
    print(f"{output.things(moved, 'dead letter')} recalled")
    if moved < matching:
        print(
            f"{matching - moved:,} not recalled: removed meanwhile, not written by hookbus, or in flight",
            file=sys.stderr,
        )

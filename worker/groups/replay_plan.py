"""A replay of retained events to a group: a plan, which writes nothing, and its run. The tools and every other caller
share them.

A plan is a snapshot: events that the group had not received by then are not in it. A run delivers them oldest first and
tells how far it has come in time, so that a later one goes on from there: the events of that millisecond are delivered
once more.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from ...shared import output
from ...shared.command import FailedError
from ...shared.connection import Redis
from ...shared.patterns import matches
from .. import audit
from ..dlq import hindrances
from ..dlq.bulk import Tally, batch_for, move_all
from ..dlq.hindrances import Hindrance
from ..dlq.query import DeadLetters
from ..inventory import pauses
from . import history
from .history import EventCount, EventFilter, History, StreamRange
from .replay import Replay


@dataclass(frozen=True, slots=True)
class Plan:
    """The snapshot and its counts. `criteria` is the filter, up to the newest event of the plan. `paused` are paused
    patterns that match some of them, `hindrances` say which would wait, and why."""

    group: str
    criteria: EventFilter
    stream_ranges: Sequence[StreamRange]
    now_ms: int
    has_future: bool
    count: EventCount
    paused: Sequence[str]
    hindrances: Sequence[Hindrance]

    @property
    def matching(self) -> int:
        """The number of events."""
        return self.count.types.total()

    @property
    def moving(self) -> int:
        """All of them."""
        return self.matching

    def options(self) -> dict[str, list[str]]:
        """The filter as options of the command, for the audit."""
        chosen = self.criteria
        return audit.options(chosen.since_ms, chosen.until_ms, group=self.group, type=chosen.types, id=chosen.names)


async def plan(client: Redis, store: DeadLetters, group: str, criteria: EventFilter) -> Plan:
    """Take the snapshot, and count. Raises FailedError for an unknown group, a type that it does not subscribe to, and
    a named event that is not in it; RedisError, OSError."""
    store.require(group)
    events = await history.fetch(client, store.shards, group, criteria)
    count = await events.count()
    if missing := sorted(set(criteria.names) - count.names):
        raise FailedError(
            f"{', '.join(map(output.line, missing))}: no retained event of this id was delivered to {group}"
            " (events not delivered yet need no replay)"
        )
    paused = await pauses.fetch(client, store.shards, group)
    holding = [pattern for pattern in paused if any(matches(pattern, name) for name in count.types)]
    waits = await hindrances.fetch(client, store.shards, {(group, name): each for name, each in count.types.items()})
    bounded = replace(criteria, until_ms=count.newest_ms or criteria.until_ms)
    return Plan(group, bounded, list(events.stream_ranges), events.now_ms, events.has_future, count, holding, waits)


async def run(
    client: Redis,
    plan: Plan,
    *,
    rate: float = 0.0,
    stopping: asyncio.Event,
    progressed: Callable[[Tally], None],
) -> Tally:
    """Deliver the events of the plan, until none is left or `stopping` is set; `progressed` hears of each batch, with
    the time that it has reached, and of each wait for memory. `rate` is events per second, 0 for no limit.
    Raises FailedError."""
    events = History(client, plan.stream_ranges, plan.criteria, plan.now_ms)
    so_far = Tally()

    def waits(why: str) -> None:
        progressed(replace(so_far, waits=why))

    delivery = Replay(client, plan.group, stopping, waits)

    def told(tally: Tally) -> None:
        nonlocal so_far
        tally.reached_ms = 0 if plan.has_future else delivery.reached_ms
        so_far = tally
        progressed(tally)

    batches = events.batches(batch_for(rate))
    tally = await move_all(batches, delivery.deliver, rate=rate, stopping=stopping, progressed=told)
    if not stopping.is_set():
        tally.gone = plan.matching - tally.moved  # trimmed meanwhile
    return tally

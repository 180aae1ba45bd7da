"""Bulk moves of waiting deliveries: a plan, which writes nothing, and its run. The tools and every other caller share
them.

A plan takes what waits at its moment. A delivery that runs and fails again before the run is not in it: it is known by
the time of its last attempt, by the clock of Redis, which workers follow. No run moves more than was counted.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

from ...shared import scripts
from ...shared.connection import Redis
from ..dlq import hindrances
from ..dlq.bulk import Tally, batch_for, move_all
from ..dlq.hindrances import Hindrance, Place
from ..inventory import registry
from .query import Retries
from .waiting import Filter, State, Waiting
from .withdraw import hasten, withdraw

Verb = Literal["now", "dead-letter"]
DELAYED: Final = ("parked", "snoozed")
"""States of what can be made due: what is queued is due already."""


class Cause(msgspec.Struct, kw_only=True):
    """The waiting deliveries of a group and type whose last error has one class. Times in Unix ms; `next_due_ms` is
    when the first of them is due, and `message` of its error."""

    group: str
    type: str
    error_class: str
    message: str
    count: int = 0
    states: Counter[State] = msgspec.field(default_factory=Counter)
    next_due_ms: int = 0


class Plan(msgspec.Struct):
    """What a move would do: `matching` deliveries that waited at `taken_ms`, counted at `now_ms` (Unix ms).

    `criteria` is the filter, bounded by that moment. `causes` counts them, most first; of those that are made due,
    `hindrances` say which would not run, and why.
    """

    verb: Verb
    criteria: Filter
    taken_ms: int
    now_ms: int
    matching: int = 0
    causes: Sequence[Cause] = ()
    hindrances: Sequence[Hindrance] = msgspec.field(default_factory=list)

    @property
    def moving(self) -> int:
        """The number of deliveries to move: all."""
        return self.matching

    def takes(self, waiting: Waiting) -> bool:
        """Whether a delivery that matches was there, and can be moved: what is due already cannot be hastened."""
        if self.verb == "now":
            return waiting.state != "queued" and waiting.due_ms > self.now_ms
        return waiting.state != "queued" or waiting.due_ms <= self.taken_ms


async def count(retries: Retries, criteria: Filter) -> list[Cause]:
    """Count what waits by cause, most first. Raises RedisError, OSError."""
    causes: dict[tuple[str, str, str], Cause] = {}
    async for waiting in retries.walk(criteria):
        _add(causes, waiting)
    return _sorted(causes)


async def plan(client: Redis, retries: Retries, criteria: Filter, verb: Verb, taken_ms: int | None = None) -> Plan:
    """Plan a move; `taken_ms` is the moment of a plan that is counted again. Raises RedisError, OSError."""
    now_ms = await registry.now_ms(client)
    moment_ms = now_ms if taken_ms is None else min(taken_ms, now_ms)
    states = criteria.states or (DELAYED if verb == "now" else ())
    bounded = replace(criteria, states=states, until_ms=min(criteria.until_ms, moment_ms))
    found = Plan(verb, bounded, moment_ms, now_ms)
    causes: dict[tuple[str, str, str], Cause] = {}
    counts = Counter[Place]()
    async for waiting in retries.walk(bounded):
        if found.takes(waiting):
            found.matching += 1
            counts[waiting.group, waiting.type] += 1
            _add(causes, waiting)
    found.causes = _sorted(causes)
    if verb == "now":
        found.hindrances = await hindrances.fetch(client, retries.shards, counts)
    return found


def _add(causes: dict[tuple[str, str, str], Cause], waiting: Waiting) -> None:
    key = waiting.group, waiting.type, waiting.error_class
    if key not in causes:
        message = waiting.last.error.partition(": ")[2] if waiting.last else ""
        group, event_type, error_class = key
        causes[key] = Cause(group=group, type=event_type, error_class=error_class, message=message)
        causes[key].next_due_ms = waiting.due_ms
    causes[key].count += 1
    causes[key].states[waiting.state] += 1


def _sorted(causes: dict[tuple[str, str, str], Cause]) -> list[Cause]:
    return [cause for _, cause in sorted(causes.items(), key=lambda each: (-each[1].count, each[0]))]


async def run(
    client: Redis,
    retries: Retries,
    plan: Plan,
    *,
    rate: float = 0.0,
    stopping: asyncio.Event,
    progressed: Callable[[Tally], None],
) -> Tally:
    """Move what was planned, those due first, until none is left or `stopping` is set; `progressed` hears of each
    batch. `rate` is deliveries per second, 0 for no limit. Raises FailedError, which says how many were moved before.
    """
    subscribed = await registry.patterns(client, retries.shards)

    async def move(batch: Sequence[Waiting]) -> list[Any]:
        now_ms = await registry.now_ms(client)
        calls = [hasten(each, now_ms) if plan.verb == "now" else withdraw(each, subscribed, now_ms) for each in batch]
        return await scripts.run_all(client, calls)

    batches = _batches(retries, plan, batch_for(rate))
    return await move_all(batches, move, rate=rate, stopping=stopping, progressed=progressed)


async def _batches(retries: Retries, plan: Plan, size: int) -> AsyncIterator[list[Waiting]]:
    batch: list[Waiting] = []
    left = plan.matching
    async for waiting in retries.walk(plan.criteria):
        if not plan.takes(waiting):
            continue
        batch.append(waiting)
        left -= 1
        if len(batch) == size or not left:
            yield batch
            batch = []
        if not left:
            return
    if batch:
        yield batch

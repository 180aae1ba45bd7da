"""Bulk moves of dead letters: a plan, which writes nothing, and its run. The tools and every other caller share them.

A plan is bounded by the moment at which it was counted, by Redis' clock (`criteria.until_ms`): letters that die later
are not in it, however long somebody reads it before it runs. A run may be stopped between batches, and run again.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ...shared.connection import Redis
from ..inventory import registry
from . import causes, hindrances, possible
from .bulk import Tally, batch_for, move_all
from .causes import Summary
from .filter import Filter
from .hindrances import Hindrance, Place
from .moves import Moves
from .query import DeadLetters, StoredLetter

Verb = Literal["redrive", "discard"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a move would do. `criteria` is the filter, bounded by the moment of counting; `matching` letters match it.

    `causes` counts them by fingerprint, most first. `hindrances` name what would not be handled after a redrive, and
    why; of these, `left_out` are not moved at all: the letters of types that their group does not subscribe to.
    """

    verb: Verb
    criteria: Filter
    matching: int
    causes: Sequence[Summary]
    hindrances: Sequence[Hindrance] = ()
    left_out: Counter[Place] = field(default_factory=Counter)

    @property
    def moving(self) -> int:
        """The number of letters to move."""
        return self.matching - self.left_out.total()


async def redrive(client: Redis, store: DeadLetters, criteria: Filter, *, include_unsubscribed: bool = False) -> Plan:
    """Plan a redrive. Raises FailedError for an unknown group or name, RedisError, OSError."""
    criteria, matching, summaries = await _counted(client, store, criteria)
    counts = Counter[Place]()
    for cause in summaries:
        counts[cause.group, cause.kind.type] += cause.count
    found = await hindrances.fetch(client, store.shards, counts)
    left_out = Counter(
        {(each.group, each.type): each.count for each in found if each.why == "unsubscribed"}
        if not include_unsubscribed
        else ()
    )
    return Plan("redrive", criteria, matching, summaries, found, left_out)


async def discard(client: Redis, store: DeadLetters, criteria: Filter) -> Plan:
    """Plan a discard. Raises as `redrive` does."""
    return Plan("discard", *await _counted(client, store, criteria))


async def _counted(client: Redis, store: DeadLetters, criteria: Filter) -> tuple[Filter, int, list[Summary]]:
    """The filter as a snapshot, the number of letters that match, and these by cause."""
    await possible.require(client, store, criteria.types)
    if criteria.names:  # these letters, whenever they died
        letters = await store.find(criteria)
        named = [(dead.group, dead.letter) for dead in letters]
        return criteria, len(letters), causes.of_letters(named, await registry.now_ms(client))
    criteria = await store.snapshot(criteria)
    return criteria, await store.count(criteria), await store.summaries(criteria)


async def run(
    client: Redis,
    store: DeadLetters,
    plan: Plan,
    *,
    rate: float = 0.0,
    stopping: asyncio.Event,
    progressed: Callable[[Tally], None],
) -> Tally:
    """Move what was planned, oldest first, until none is left or `stopping` is set; `progressed` hears of each batch.

    `rate` is letters per second, 0 for no limit. Raises FailedError, which says how many were moved before.
    """
    moves = Moves(client, store.shards)
    move = moves.redrive if plan.verb == "redrive" else moves.discard
    batches = _chosen(store.walk(plan.criteria, batch_for(rate)), plan)
    return await move_all(batches, move, rate=rate, stopping=stopping, progressed=progressed)


async def _chosen(batches: AsyncIterator[list[StoredLetter]], plan: Plan) -> AsyncIterator[list[StoredLetter]]:
    """The batches without the letters that are left out."""
    async for batch in batches:
        if chosen := [dead for dead in batch if (dead.group, dead.letter.type) not in plan.left_out]:
            yield chosen

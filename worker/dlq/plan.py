"""Bulk moves of dead letters: a plan, which writes nothing, and its run. The tools and every other caller share them.

A plan is bounded by the moment at which it was counted, by Redis' clock (`criteria.until_ms`): letters that die later
are not in it, however long somebody reads it before it runs. A run refuses when more match by then: letters of before
that moment can come later, by an import. It may be stopped between batches, and run again.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from ...shared import output
from ...shared.command import FailedError
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
DONE: Final[Mapping[Verb, str]] = {"redrive": "redriven", "discard": "discarded"}


class Plan(msgspec.Struct, frozen=True):
    """What a move would do. `criteria` is the filter, bounded by the moment of counting; `matching` letters match it.

    `causes` counts them by fingerprint, most first. `hindrances` name what would not be handled after a redrive, and
    why; of these, `left_out` are not moved at all: the letters of types that their group does not subscribe to.
    """

    verb: Verb
    criteria: Filter
    matching: int
    causes: Sequence[Summary]
    hindrances: Sequence[Hindrance] = ()
    left_out: Counter[Place] = msgspec.field(default_factory=Counter)

    @property
    def moving(self) -> int:
        """The number of letters to move."""
        return self.matching - self.left_out.total()


async def redrive(client: Redis, store: DeadLetters, criteria: Filter, *, include_unsubscribed: bool = False) -> Plan:
    """Plan a redrive. Raises FailedError for an unknown group or name, RedisError, OSError."""
    criteria, matching, summaries = await _counted(client, store, criteria)
    found = await hindrances.fetch(client, store.shards, _counts(summaries))
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
    if criteria.names:
        letters = await store.find(criteria)
        named = [(dead.group, dead.letter) for dead in letters]
        now_ms = await registry.now_ms(client)
        newest_ms = max((dead.dead_lettered_ms for dead in letters), default=0)  # later than now after an import
        bounded = replace(criteria, until_ms=min(criteria.until_ms, max(now_ms, newest_ms)))
        return bounded, len(letters), causes.of_letters(named, now_ms)
    criteria = await store.snapshot(criteria)
    return criteria, await store.count(criteria), await store.summaries(criteria)


def _counts(summaries: Sequence[Summary]) -> Counter[Place]:
    counts = Counter[Place]()
    for cause in summaries:
        counts[cause.group, cause.kind.type] += cause.count
    return counts


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

    `rate` is letters per second, 0 for no limit. Named letters that were gone at the start are counted as such. Raises
    FailedError, before anything is moved when the plan no longer holds, else with the number of those moved.
    """
    await _require_valid(client, store, plan)
    moves = Moves(client, store.shards)
    move = moves.redrive if plan.verb == "redrive" else moves.discard
    batches = _chosen(store.walk(plan.criteria, batch_for(rate)), plan)
    tally = await move_all(batches, move, rate=rate, stopping=stopping, progressed=progressed)
    if plan.criteria.names and not stopping.is_set() and tally.done < plan.moving:
        tally.gone = plan.moving - tally.moved
        progressed(tally)
    return tally


async def _require_valid(client: Redis, store: DeadLetters, plan: Plan) -> None:
    """Raise FailedError when more match than were counted, or a group no longer subscribes to a type of the plan."""
    if (more := await store.count(plan.criteria) - plan.matching) > 0:
        done, came = DONE[plan.verb], output.things(more, "more dead letter")
        raise FailedError(f"nothing was {done}: since it was counted {came} of that time came; count again")
    if plan.verb == "discard":
        return
    known = {(each.group, each.type) for each in plan.hindrances if each.why == "unsubscribed"}
    for each in await hindrances.fetch(client, store.shards, _counts(plan.causes)):
        if each.why == "unsubscribed" and (each.group, each.type) not in known:
            raise FailedError(f"nothing was {DONE[plan.verb]}: {each.group} does not subscribe to {each.type} any more")


async def _chosen(batches: AsyncIterator[list[StoredLetter]], plan: Plan) -> AsyncIterator[list[StoredLetter]]:
    """The batches without the letters that are left out."""
    async for batch in batches:
        if chosen := [dead for dead in batch if (dead.group, dead.letter.type) not in plan.left_out]:
            yield chosen

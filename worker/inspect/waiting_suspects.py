"""Suspects that wait in vain: they run in quarantine, and no live consumer that reads their type has one.

A worker whose apps no target names, one inside another program or of `verify`, starts no quarantine processes. Costs
Redis one XPENDING for each stream with deliveries in flight of such a type, and nothing where some consumer has one.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ...shared.connection import Redis
from ...shared.pipelined import execute_all
from ..inventory.lag import GroupLag
from ..inventory.readers import Registration
from .group_status import GroupStatus

MAX_COUNTED: Final = 1000
"""Pending entries of a stream that are looked at; the reply is some fifty kilobytes."""


async def query(
    client: Redis,
    groups: Mapping[str, GroupStatus],
    alive: Mapping[str, Mapping[str, Registration]],
    lags: Sequence[GroupLag],
) -> None:
    """Fill in the groups. `alive`: group → its live consumers; `lags`: of each group on each stream."""
    places = [lag for lag in lags if lag.pending and _wait(alive.get(lag.group, {}).values(), lag.event_type)]
    if not places:
        return
    from ..api.delivery import FIRST_SUSPICION  # a status without suspects starts without the decoders of events

    commands = [("XPENDING", place.stream, place.group, "-", "+", MAX_COUNTED) for place in places]
    for place, pending in zip(places, await execute_all(client, commands, raises=False), strict=True):
        if isinstance(pending, Exception):
            continue  # the group has vanished meanwhile
        count = sum(
            times_delivered >= FIRST_SUSPICION - 1 and consumer.decode() not in alive[place.group]
            for _, consumer, _, times_delivered in pending
        )
        if count:
            waiting = groups[place.group].waiting_suspects
            waiting[place.event_type] = waiting.get(place.event_type, 0) + count


def _wait(consumers: Iterable[Registration], event_type: str) -> bool:
    """Whether suspects of a type wait: if nobody reads it at all, that is another problem."""
    readers = [consumer for consumer in consumers if consumer.reads(event_type)]
    return bool(readers) and not any(consumer.has_quarantine for consumer in readers)

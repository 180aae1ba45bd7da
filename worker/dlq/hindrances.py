"""Why letters that are redriven would wait, or would be dead letters again."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from ...shared.connection import Redis
from ...shared.keys import Keys
from ...shared.patterns import matches, patterns_of
from ..inventory import living, pauses, registry, suspensions
from ..inventory.suspensions import Suspension
from .unsubscribed import is_unsubscribed

Place = tuple[str, str]
"""Group and type."""

Why = Literal["unsubscribed", "no_worker", "paused", "suspended"]


class Hindrance(msgspec.Struct, frozen=True):
    """What keeps `count` deliveries of a group and type from being handled. `detail` is a clause for people."""

    group: str
    type: str
    count: int
    why: Why
    detail: str


async def fetch(client: Redis, shards: Sequence[Keys], counts: Mapping[Place, int]) -> list[Hindrance]:
    """Return what hinders deliveries of these groups and types, at most one each, the firmest. Raises RedisError,
    OSError."""
    groups = {group for group, _ in counts}
    if not groups:
        return []
    subscribed = await registry.patterns(client, shards)
    alive = await living.fetch(client, shards, groups)
    paused = {group: await pauses.fetch(client, shards, group) for group in sorted(groups)}
    suspended = await suspensions.fetch(client)
    found = []
    for (group, event_type), count in sorted(counts.items()):
        held = _held(suspended.get(group, {}), subscribed.get(group), event_type)
        waits = [pattern for pattern in paused[group] if matches(pattern, event_type)]
        if is_unsubscribed(subscribed, group, event_type):
            found.append(Hindrance(group, event_type, count, "unsubscribed", "its group does not subscribe to it"))
        elif group not in alive:
            found.append(Hindrance(group, event_type, count, "no_worker", "no worker of the group is alive"))
        elif waits:
            found.append(Hindrance(group, event_type, count, "paused", f"{', '.join(waits)} is paused"))
        elif held:
            found.append(Hindrance(group, event_type, count, "suspended", f"{held[0]} is suspended: {held[1].error}"))
    return found


def _held(
    suspended: Mapping[str, Suspension], subscribed: frozenset[str] | None, event_type: str
) -> tuple[str, Suspension] | None:
    """The suspended subscription of the group that the type goes to, if it is: the most specific one has it."""
    known = suspended if subscribed is None else subscribed
    patterns = [name for name in patterns_of(event_type) if name in known]
    mine = max(patterns, key=len, default="")
    return (mine, suspended[mine]) if mine in suspended else None

"""The status of each group, but for its streams: a pipeline for what it holds, and one for what that names.

However many groups there are, the round trips are the same; `status` adds the streams.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from ...shared.connection import Redis
from ...shared.keys import Keys, is_worker
from ...shared.raw_connection import Command
from ..inventory import pauses, suspensions
from ..inventory.lag import pairs
from ..inventory.pauses import Paused
from ..inventory.readers import Registration, registration
from ..inventory.registry import execute_usable
from ..inventory.suspensions import Held, Opened


class TypeStatus(msgspec.Struct):
    """One event type of one group. `oldest_age_s` is the age of its oldest unhandled entry, None when there is none.

    An entry's age counts from its arrival in its stream; a redelivery's from when it was due.
    """

    backlog: int = 0
    in_flight: int = 0
    oldest_age_s: float | None = None
    oldest_in_flight_s: float | None = None
    """Time since the oldest delivery in flight was delivered to its consumer."""
    backlog_is_minimum: bool | UnsetType = UNSET
    """True where Redis reports no lag and there are more entries than were counted."""


class GroupStatus(msgspec.Struct):
    """One group. `delayed` counts parked deliveries, the next of which is due at `next_due_ms` (Unix ms)."""

    consumers_alive: int = 0
    consumers: int = 0
    delayed: int = 0
    next_due_ms: int | None = None
    snoozed: int = 0
    """Those among the delayed ones that wait because their handler asked for it."""
    snoozed_since_ms: int | None = None
    """When the first attempt began of the one among them that was put off longest, Unix ms; until when it waits."""
    snoozed_until_ms: int | None = None
    dead: int = 0
    losses: int = 0
    """How often it was found missing on a stream and created again."""
    dropped: int = 0
    """Dead letters dropped by the retention of its workers."""
    missing: int = 0
    """Streams with events for it that lack its consumer group; a live worker creates it within seconds."""
    abandoned_s: float | None = None
    """Time since any of its workers was last alive, if at least ABANDONED_S ago and it has unhandled deliveries."""
    paused: dict[str, Paused] = msgspec.field(default_factory=dict)
    """Patterns that an operator, or a handler by `Pause`, has paused."""
    breakers: dict[str, Opened] = msgspec.field(default_factory=dict)
    """Open circuit breakers, by pattern."""
    held: dict[str, Held] = msgspec.field(default_factory=dict)
    """Subscriptions that their handler closed by `Hold`, by pattern."""
    types: dict[str, TypeStatus] = msgspec.field(default_factory=dict)
    unread: dict[str, int] = msgspec.field(default_factory=dict)
    """Types that it subscribes to and none of its live consumers reads → the number of their waiting events."""
    unsubscribed: dict[str, int] = msgspec.field(default_factory=dict)
    """Types that neither its patterns nor a live consumer covers → the number of their waiting deliveries."""
    disputed: list[str] = msgspec.field(default_factory=list)
    """Patterns that some of its live consumers subscribe to and others do not."""
    unknown_sources: dict[str, list[str]] = msgspec.field(default_factory=dict)
    """Sources that its live consumers take events of, and no ingest has → their patterns there."""
    waiting_suspects: dict[str, int] = msgspec.field(default_factory=dict)
    """Types of which no live consumer that reads them has a quarantine → the number of their waiting suspects."""
    is_foreign: bool | UnsetType = UNSET
    """True for a consumer group that hookbus did not create; it holds up trimming like any other."""

    @property
    def unhandled(self) -> int:
        """Deliveries that are neither handled nor dead letters."""
        return self.delayed + sum(entry.backlog + entry.in_flight for entry in self.types.values())


class _Held(NamedTuple):
    """The replies about one group in one shard; None where Redis refuses the key."""

    delayed: int | None
    next_due: list[bytes] | None
    snoozed: int | None
    put_off: list[bytes] | None
    """The delivery whose first attempt is the longest ago, and when that was."""
    dead: int | None
    consumers: list[bytes] | None


def _commands(keys: Keys, group: str) -> list[Command]:
    """As the fields of `_Held`."""
    delayed, snoozed = keys.delayed(group), keys.snoozed(group)
    return [
        ("ZCARD", delayed),
        ("ZRANGE", delayed, 0, 0, "WITHSCORES"),
        ("ZCARD", snoozed),
        ("ZRANGE", snoozed, 0, 0, "WITHSCORES"),
        ("ZCARD", keys.dead(group)),
        ("HGETALL", keys.consumers(group)),
    ]


Places = Sequence[tuple[Keys, _Held]]


async def query(
    client: Redis, shards: Sequence[Keys], groups: Mapping[str, GroupStatus], unusable: dict[str, str], now_ms: int
) -> dict[str, dict[str, Registration]]:
    """Fill in the groups. Returns, for each, its live consumers and their registrations. Raises RedisError, OSError."""
    if not groups:
        return {}
    commands: list[Command] = [("HGETALL", suspensions.KEY), *(("HGETALL", keys.paused) for keys in shards)]
    commands += [("ZCARD", key) for keys in shards for key in (keys.due, keys.expiries)]  # only whether it is usable
    commands += [command for name in groups for keys in shards for command in _commands(keys, name)]
    suspended, *replies = await execute_usable(client, commands, unusable)
    paused = pauses.read([flat or () for flat in replies[: len(shards)]])
    del replies[: 3 * len(shards)]
    held = [_Held(*part) for part in _split(replies, len(_Held._fields))]
    parts = zip(groups, _split(held, len(shards)), strict=True)
    places = {name: list(zip(shards, part, strict=True)) for name, part in parts}
    for name, group in groups.items():
        _count(group, places[name])
        group.paused = paused.get(name, {})
    _suspend(groups, suspensions.read(suspended or ()), now_ms)
    return await _query_named(client, shards, groups, unusable, places)


def _split(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[first : first + size] for first in range(0, len(items), size)]


def _count(group: GroupStatus, places: Places) -> None:
    for _, held in places:
        group.delayed += held.delayed or 0
        group.snoozed += held.snoozed or 0
        group.dead += held.dead or 0
    dues = [int(float(held.next_due[1])) for _, held in places if held.next_due]
    group.next_due_ms = min(dues, default=None)


def _suspend(
    groups: Mapping[str, GroupStatus], suspended: Mapping[str, Mapping[str, suspensions.Suspension]], now_ms: int
) -> None:
    """A hold that has ended is left out, though no worker may have removed it yet."""
    for name, group in groups.items():
        for pattern, suspension in suspended.get(name, {}).items():
            if isinstance(suspension, Opened):
                group.breakers[pattern] = suspension
            elif suspension.until_ms > now_ms:
                group.held[pattern] = suspension


async def _query_named(
    client: Redis,
    shards: Sequence[Keys],
    groups: Mapping[str, GroupStatus],
    unusable: dict[str, str],
    places: Mapping[str, Places],
) -> dict[str, dict[str, Registration]]:
    """Query which consumers are alive, and until when the delivery waits that was put off longest."""
    consumers = {name: _consumers(places[name]) for name in groups}
    longest = {name: first for name in groups if (first := _put_off(places[name])) is not None}
    names = sorted(set[str]().union(*consumers.values()))
    commands: list[Command] = [("EXISTS", *(keys.alive(name) for keys in shards)) for name in names]
    commands += [("ZSCORE", keys.delayed(name), member) for name, (keys, member, _) in longest.items()]
    replies = await execute_usable(client, commands, unusable)
    alive = {name for name, is_alive in zip(names, replies, strict=False) if is_alive}
    for (name, (_, _, since_ms)), due_ms in zip(longest.items(), replies[len(names) :], strict=True):
        groups[name].snoozed_since_ms = since_ms
        groups[name].snoozed_until_ms = None if due_ms is None else int(float(due_ms))
    registrations: dict[str, dict[str, Registration]] = {}
    for name, members in consumers.items():
        registrations[name] = {consumer: registration(members[consumer]) for consumer in alive & members.keys()}
        groups[name].consumers = len(members)
        groups[name].consumers_alive = len(registrations[name])
    return registrations


def _consumers(places: Places) -> dict[str, bytes]:
    return {name: info for _, held in places for name, info in pairs(held.consumers or ()).items() if is_worker(name)}


def _put_off(places: Places) -> tuple[Keys, bytes, int] | None:
    """Shard and name of the parked delivery that was put off longest, and since when."""
    first = [(keys, held.put_off[0], int(float(held.put_off[1]))) for keys, held in places if held.put_off]
    return min(first, key=lambda each: each[2], default=None)

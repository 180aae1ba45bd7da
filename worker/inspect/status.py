"""How far each group is, as Redis tells it: nothing here asks the workers, so it works when they do not.

Backlog counts what was never delivered; in flight is what some consumer holds. A few pipelines, one
more for each group, and no scan: lengths, the groups' own counters, first entries. Changes nothing, and claims nothing
in an empty Redis.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType
from redis.exceptions import ResponseError

from ...shared.connection import Redis
from ...shared.events import BY_TYPE
from ...shared.keys import HANDOVER, UNTYPED, Keys
from ..inventory import lag, open_breakers, pauses, readers, registry
from ..inventory.lag import MAX_COUNTED, GroupLag, pairs
from ..inventory.open_breakers import Opened
from ..inventory.readers import Registration, registration
from ..inventory.registry import Command, execute_all, execute_usable
from ..pipeline.unusable_keys import is_of_one_key

ABANDONED_S: Final = 300.0
"""Silent for this long a group counts as abandoned: longer than a rollout leaves one alone (a guess)."""


class TypeStatus(msgspec.Struct):
    """One event type of one group. `oldest_age_s` is the age of its oldest unhandled entry, None when there is none.

    An entry's age counts from when it came into its stream, so that of a redelivery from when it was due.
    """

    backlog: int = 0
    in_flight: int = 0
    oldest_age_s: float | None = None
    oldest_in_flight_s: float | None = None
    """Since the oldest of those in flight was handed to its consumer."""
    backlog_is_minimum: bool | UnsetType = UNSET
    """True where Redis has lost count and there are more than could be counted."""


class GroupStatus(msgspec.Struct):
    """One group. `delayed` are failed deliveries that wait for `next_due_ms` (Unix ms) and later."""

    consumers_alive: int = 0
    consumers: int = 0
    delayed: int = 0
    next_due_ms: int | None = None
    dead: int = 0
    losses: int = 0
    """How often its place on a stream had vanished and was made anew."""
    dropped: int = 0
    """Dead letters that the retention of its workers dropped."""
    missing: int = 0
    """Streams with events for it on which it has no place; a worker that lives makes one within seconds."""
    abandoned_s: float | None = None
    """Since the last sign of life of any of its workers, where that is long ago and something waits for them."""
    paused: dict[str, int] = msgspec.field(default_factory=dict)
    """Patterns of types that an operator paused → since when, Unix ms."""
    breakers: dict[str, Opened] = msgspec.field(default_factory=dict)
    """Subscriptions whose handler only fails, by pattern."""
    types: dict[str, TypeStatus] = msgspec.field(default_factory=dict)
    unread: dict[str, int] = msgspec.field(default_factory=dict)
    """Types of which something waits that none of its living consumers reads → how much."""
    disputed: list[str] = msgspec.field(default_factory=list)
    """Patterns that some of its living consumers subscribe to, and others do not."""
    is_foreign: bool | UnsetType = UNSET
    """True for a consumer group that hookbus did not make: it holds up trimming as any other."""

    @property
    def unhandled(self) -> int:
        """Deliveries that are neither handled nor dead."""
        return self.delayed + sum(entry.backlog + entry.in_flight for entry in self.types.values())


class Status(msgspec.Struct):
    """Everything; `orphans` are types that no group reads, with their length. `shards` is 0 in an unused Redis."""

    groups: dict[str, GroupStatus] = msgspec.field(default_factory=dict)
    orphans: dict[str, int] = msgspec.field(default_factory=dict)
    shards: int = 0
    unusable: dict[str, str] = msgspec.field(default_factory=dict)
    """Keys that Redis refuses, as where another type of key lies → why. What they hold is not among the figures."""


async def fetch(client: Redis, configured_shards: int) -> Status:
    """The status now. Raises ConfigError, RedisError, OSError."""
    shards = await registry.shards(client, configured_shards)
    now_ms = await registry.now_ms(client)
    status = Status(shards=len(shards))
    commands = [_commands(shard) for shard in shards]
    replies = await execute_all(client, [command for of_shard in commands for command in of_shard.values()])
    names = list(_commands(Keys(0)))
    found = {name: replies[i :: len(names)] for i, name in enumerate(names)}
    starts = [pairs(flat) for flat in found["groups"]]
    status.groups = {name: GroupStatus() for name in sorted({name for born in starts for name in born})}
    seen = {name.decode() for types in found["types"] for name in types}
    for what in ("losses", "dropped"):
        for group, count in [pair for flat in found[what] for pair in pairs(flat).items()]:
            if group in status.groups:
                entry = status.groups[group]
                setattr(entry, what, getattr(entry, what) + int(count))
    living = await _query_groups(client, shards, status)
    for name, told in status.groups.items():
        await _query_controls(client, shards, status, name, told)
    subscribed = [pairs(flat) for flat in found["patterns"]]
    await _query_streams(client, shards, status, seen, now_ms, list(zip(starts, subscribed, strict=True)))
    for name, told in status.groups.items():
        if not any(name in born for born in starts):
            told.is_foreign = True
    _find_unread(status, living)
    _find_abandoned(status, [pairs(flat) for flat in found["worked"]], now_ms)
    return status


def _commands(shard: Keys) -> dict[str, tuple[str, str]]:
    """Read what a shard holds of all groups."""
    return {
        "groups": ("HGETALL", shard.groups),
        "types": ("SMEMBERS", shard.types),
        "losses": ("HGETALL", shard.losses),
        "dropped": ("HGETALL", shard.dropped),
        "worked": ("HGETALL", shard.worked),
        "patterns": ("HGETALL", shard.patterns),
    }


def _find_abandoned(status: Status, signs: Sequence[Mapping[str, bytes]], now_ms: int) -> None:
    for name, group in status.groups.items():
        last_ms = max((int(sign[name]) for sign in signs if name in sign), default=now_ms)
        silent_s = (now_ms - last_ms) / 1000
        if not group.consumers_alive and group.unhandled and silent_s >= ABANDONED_S:
            group.abandoned_s = round(silent_s, 3)


def _find_unread(status: Status, living: Mapping[str, Sequence[Registration]]) -> None:
    """Of a group without anybody who lives it is clear that nothing of it is read."""
    for name, consumers in living.items():
        group = status.groups[name]
        group.disputed = readers.disputed(consumers)
        for event_type, entry in group.types.items():
            waiting = entry.backlog + entry.in_flight
            if waiting and consumers and not any(consumer.reads(event_type) for consumer in consumers):
                group.unread[event_type] = waiting


async def _query_controls(client: Redis, shards: Sequence[Keys], status: Status, name: str, group: GroupStatus) -> None:
    """What is paused, and which breakers are open."""
    try:
        group.paused = await pauses.fetch(client, shards, name)
    except ResponseError as error:
        _note(status, shards[0].paused(name), error)
    try:
        group.breakers = await open_breakers.fetch(client, name)
    except ResponseError as error:
        _note(status, Keys(0).breakers(name), error)


def _note(status: Status, key: str, error: ResponseError) -> None:
    if not is_of_one_key(error):
        raise error
    status.unusable[key] = str(error)


async def _query_groups(client: Redis, shards: Sequence[Keys], status: Status) -> dict[str, list[Registration]]:
    """Delayed, dead, and who works; what those who live say of themselves, by group."""
    pairings = [(group, shard) for group in status.groups for shard in shards]
    commands: list[Command] = []
    for group, shard in pairings:
        delayed = shard.delayed(group)
        commands += [("ZCARD", delayed), ("ZRANGE", delayed, 0, 0, "WITHSCORES")]
        commands += [("ZCARD", shard.dead(group)), ("HGETALL", shard.consumers(group))]
    replies = await execute_usable(client, commands, status.unusable)
    consumers: dict[str, dict[str, bytes]] = {group: {} for group in status.groups}
    for i, (group, _) in enumerate(pairings):
        delayed_count, first, dead, flat = replies[4 * i : 4 * i + 4]
        entry = status.groups[group]
        entry.delayed += delayed_count or 0
        entry.dead += dead or 0
        if first:
            due_ms = int(float(first[1]))
            entry.next_due_ms = due_ms if entry.next_due_ms is None else min(due_ms, entry.next_due_ms)
        consumers[group] |= {name: info for name, info in pairs(flat or ()).items() if name != HANDOVER}
    every = sorted(set().union(*consumers.values()))
    signs = await execute_all(client, [("EXISTS", shard.alive(name)) for shard in shards for name in every])
    alive = {name for name, sign in zip(every * len(shards), signs, strict=True) if sign}
    living: dict[str, list[Registration]] = {}
    for group, members in consumers.items():
        living[group] = [registration(info) for name, info in members.items() if name in alive]
        status.groups[group].consumers = len(members)
        status.groups[group].consumers_alive = len(living[group])
    return living


async def _query_streams(
    client: Redis,
    shards: Sequence[Keys],
    status: Status,
    seen: set[str],
    now_ms: int,
    told: Sequence[tuple[Mapping[str, bytes], Mapping[str, bytes]]],
) -> None:
    """`told`, for each shard: what group starts after which id, and what it subscribes to."""
    types = sorted({*seen, *BY_TYPE, UNTYPED})
    streams = [
        (stream, event_type, group, number)
        for number, shard in enumerate(shards)
        for event_type in types
        for stream, group in (
            (shard.stream(event_type), ""),
            *((shard.redelivery(event_type, group), group) for group in status.groups),
        )
    ]
    commands: list[Command] = []
    for stream, *_ in streams:
        commands += [("XLEN", stream), ("XINFO", "GROUPS", stream)]
    replies = await execute_all(client, commands, raises=False)
    found_all: list[GroupLag] = []
    for i, (stream, event_type, own, number) in enumerate(streams):
        length, groups = replies[2 * i : 2 * i + 2]
        if isinstance(length, ResponseError):
            _note(status, stream, length)
            continue
        groups = [] if isinstance(groups, Exception) else groups  # there is no such stream
        found = lag.of_stream(stream, event_type, own, length, groups)
        if length and not own:
            found += lag.absent(stream, event_type, length, {place.group for place in found}, told[number])
            if not found:
                status.orphans[event_type] = status.orphans.get(event_type, 0) + length
        found_all += found
    await _add_places(client, found_all, status, seen, now_ms)


async def _add_places(client: Redis, found: Sequence[GroupLag], status: Status, seen: set[str], now_ms: int) -> None:
    replies = await execute_all(client, [command for place in found for command in place.commands()], raises=False)
    # A group may have vanished since its place was read; what can't be told of it is left out.
    told = iter([() if isinstance(reply, Exception) else reply for reply in replies])
    for place in found:
        pending = next(told) if place.pending else ()
        first = next(told) if place.backlog != 0 else ()
        backlog = place.backlog if place.backlog is not None else len(first)
        group = status.groups.setdefault(place.group, GroupStatus())
        if not (backlog or place.pending or (place.event_type in seen and not place.is_own)):
            continue
        group.missing += place.is_missing and backlog > 0
        entry = group.types.setdefault(place.event_type, TypeStatus())
        entry.backlog += backlog
        entry.in_flight += place.pending
        if place.backlog is None and backlog >= MAX_COUNTED:
            entry.backlog_is_minimum = True
        for oldest, *_ in (*pending, *first[:1]):
            entry.oldest_age_s = _older(entry.oldest_age_s, now_ms - int(oldest.partition(b"-")[0]))
        for _, _, idle_ms, _ in pending:
            entry.oldest_in_flight_s = _older(entry.oldest_in_flight_s, idle_ms)


def _older(known_s: float | None, age_ms: int) -> float:
    return max(known_s or 0.0, round(age_ms / 1000, 3))

"""The status of each group, from Redis alone: workers are not queried, so it works while none runs.

Backlog counts events never delivered; in flight, deliveries that a consumer holds. Costs a few pipelines, one more per
group, and no scan: lengths, the counters of the consumer groups, first entries. Changes nothing, and writes no layout
to an empty Redis.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType
from redis.exceptions import ResponseError

from ...shared.connection import Redis
from ...shared.events import BY_TYPE
from ...shared.keys import HANDOVER, UNTYPED, Keys, is_quarantined
from ...shared.pipelined import execute_all
from ...shared.raw_connection import Command
from ..inventory import lag, pauses, readers, registry, suspensions
from ..inventory.lag import MAX_COUNTED, GroupLag, pairs
from ..inventory.pauses import Paused
from ..inventory.readers import Registration, registration
from ..inventory.registry import execute_usable
from ..inventory.suspensions import Held, Opened
from ..pipeline.unusable_keys import is_of_one_key

ABANDONED_S: Final = 300.0
"""A group without a worker for this long counts as abandoned: longer than a rollout takes (a guess)."""


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
    """Types that none of its live consumers reads → the number of their waiting events."""
    disputed: list[str] = msgspec.field(default_factory=list)
    """Patterns that some of its live consumers subscribe to and others do not."""
    is_foreign: bool | UnsetType = UNSET
    """True for a consumer group that hookbus did not create; it holds up trimming like any other."""

    @property
    def unhandled(self) -> int:
        """Deliveries that are neither handled nor dead letters."""
        return self.delayed + sum(entry.backlog + entry.in_flight for entry in self.types.values())


class Status(msgspec.Struct):
    """All groups. `orphans`: type without a group → number of its events. `shards` is 0 in an unused Redis."""

    groups: dict[str, GroupStatus] = msgspec.field(default_factory=dict)
    orphans: dict[str, int] = msgspec.field(default_factory=dict)
    shards: int = 0
    unusable: dict[str, str] = msgspec.field(default_factory=dict)
    """Keys that Redis refuses, such as one of another type → the reason. The counts do not include their content."""


async def fetch(client: Redis, configured_shards: int) -> Status:
    """Query the status. Raises ConfigError, RedisError, OSError."""
    shards = await registry.shards(client, configured_shards)
    now_ms = await registry.now_ms(client)
    status = Status(shards=len(shards))
    commands = [_commands(shard) for shard in shards]
    replies = await execute_all(client, [command for of_shard in commands for command in of_shard.values()])
    names = list(_commands(Keys(0)))
    fields = {name: replies[i :: len(names)] for i, name in enumerate(names)}
    starts = [pairs(flat) for flat in fields["groups"]]
    status.groups = {name: GroupStatus() for name in sorted({name for by_group in starts for name in by_group})}
    stored = {name.decode() for types in fields["types"] for name in types}
    for what in ("losses", "dropped"):
        for group, count in [pair for flat in fields[what] for pair in pairs(flat).items()]:
            if group in status.groups:
                entry = status.groups[group]
                setattr(entry, what, getattr(entry, what) + int(count))
    registrations = await _query_groups(client, shards, status)
    for name, entry in status.groups.items():
        await _query_pauses(client, shards, status, name, entry)
    await _query_suspensions(client, status, now_ms)
    subscribed = [pairs(flat) for flat in fields["patterns"]]
    await _query_streams(client, shards, status, stored, now_ms, list(zip(starts, subscribed, strict=True)))
    for name, entry in status.groups.items():
        if not any(name in by_group for by_group in starts):
            entry.is_foreign = True
    _find_unread(status, registrations)
    _find_abandoned(status, [pairs(flat) for flat in fields["worked"]], now_ms)
    return status


def _commands(shard: Keys) -> dict[str, tuple[str, str]]:
    """The commands that read what a shard holds about all groups."""
    return {
        "groups": ("HGETALL", shard.groups),
        "types": ("SMEMBERS", shard.types),
        "losses": ("HGETALL", shard.losses),
        "dropped": ("HGETALL", shard.dropped),
        "worked": ("HGETALL", shard.worked),
        "patterns": ("HGETALL", shard.patterns),
    }


def _find_abandoned(status: Status, worked: Sequence[Mapping[str, bytes]], now_ms: int) -> None:
    for name, group in status.groups.items():
        last_ms = max((int(by_group[name]) for by_group in worked if name in by_group), default=now_ms)
        silent_s = (now_ms - last_ms) / 1000
        if not group.consumers_alive and group.unhandled and silent_s >= ABANDONED_S:
            group.abandoned_s = round(silent_s, 3)


def _find_unread(status: Status, registrations: Mapping[str, Sequence[Registration]]) -> None:
    """Groups without a live consumer are left out: none of their types is read."""
    for name, consumers in registrations.items():
        group = status.groups[name]
        group.disputed = readers.disputed(consumers)
        for event_type, entry in group.types.items():
            waiting = entry.backlog + entry.in_flight
            if waiting and consumers and not any(consumer.reads(event_type) for consumer in consumers):
                group.unread[event_type] = waiting


async def _query_pauses(client: Redis, shards: Sequence[Keys], status: Status, name: str, group: GroupStatus) -> None:
    try:
        group.paused = await pauses.fetch(client, shards, name)
    except ResponseError as error:
        _add_unusable(status, shards[0].paused(name), error)


async def _query_put_off(client: Redis, status: Status, put_off: Mapping[str, tuple[float, str, bytes]]) -> None:
    """Query until when the delivery waits that was put off longest, of each group."""
    commands: list[Command] = [("ZSCORE", delayed, name) for _, delayed, name in put_off.values()]
    dues = await execute_usable(client, commands, status.unusable)
    for (name, (since_ms, *_)), due_ms in zip(put_off.items(), dues, strict=True):
        group = status.groups[name]
        group.snoozed_since_ms = int(since_ms)
        group.snoozed_until_ms = None if due_ms is None else int(float(due_ms))


async def _query_suspensions(client: Redis, status: Status, now_ms: int) -> None:
    """Query open breakers and holds; one that has ended is left out, though no worker may have removed it yet."""
    try:
        suspended = await suspensions.fetch(client)
    except ResponseError as error:
        _add_unusable(status, suspensions.KEY, error)
        return
    for name, by_pattern in suspended.items():
        if (group := status.groups.get(name)) is None:
            continue
        for pattern, suspension in by_pattern.items():
            if isinstance(suspension, Opened):
                group.breakers[pattern] = suspension
            elif suspension.until_ms > now_ms:
                group.held[pattern] = suspension


def _add_unusable(status: Status, key: str, error: ResponseError) -> None:
    if not is_of_one_key(error):
        raise error
    status.unusable[key] = str(error)


async def _query_groups(client: Redis, shards: Sequence[Keys], status: Status) -> dict[str, list[Registration]]:
    """Query delayed, dead and consumers of all groups; returns the registrations of live consumers by group."""
    pairings = [(group, shard) for group in status.groups for shard in shards]
    commands: list[Command] = []
    for group, shard in pairings:
        delayed = shard.delayed(group)
        commands += [("ZCARD", delayed), ("ZRANGE", delayed, 0, 0, "WITHSCORES")]
        commands += [("ZCARD", shard.dead(group)), ("HGETALL", shard.consumers(group))]
        commands += [("ZCARD", shard.snoozed(group)), ("ZRANGE", shard.snoozed(group), 0, 0, "WITHSCORES")]
    replies = await execute_usable(client, commands, status.unusable)
    consumers: dict[str, dict[str, bytes]] = {group: {} for group in status.groups}
    put_off: dict[str, tuple[float, str, bytes]] = {}
    for i, (group, shard) in enumerate(pairings):
        delayed_count, first, dead, flat, snoozed, oldest = replies[6 * i : 6 * i + 6]
        entry = status.groups[group]
        entry.delayed += delayed_count or 0
        entry.dead += dead or 0
        entry.snoozed += snoozed or 0
        if oldest and float(oldest[1]) < put_off.get(group, (float("inf"), "", b""))[0]:
            put_off[group] = float(oldest[1]), shard.delayed(group), oldest[0]
        if first:
            due_ms = int(float(first[1]))
            entry.next_due_ms = due_ms if entry.next_due_ms is None else min(due_ms, entry.next_due_ms)
        consumers[group] |= {name: info for name, info in pairs(flat or ()).items() if _is_worker(name)}
    await _query_put_off(client, status, put_off)
    names = sorted(set().union(*consumers.values()))
    liveness = await execute_all(client, [("EXISTS", shard.alive(name)) for shard in shards for name in names])
    alive = {name for name, is_alive in zip(names * len(shards), liveness, strict=True) if is_alive}
    registrations: dict[str, list[Registration]] = {}
    for group, members in consumers.items():
        registrations[group] = [registration(info) for name, info in members.items() if name in alive]
        status.groups[group].consumers = len(members)
        status.groups[group].consumers_alive = len(registrations[group])
    return registrations


def _is_worker(consumer: str) -> bool:
    """Whether a registered consumer is a worker of its own, and neither the handover nor a quarantine process."""
    return consumer != HANDOVER and not is_quarantined(consumer)


async def _query_streams(
    client: Redis,
    shards: Sequence[Keys],
    status: Status,
    stored: set[str],
    now_ms: int,
    registered: Sequence[tuple[Mapping[str, bytes], Mapping[str, bytes]]],
) -> None:
    """Query all streams. `stored` are the types ever stored. `registered`, per shard: group → its start id, and group →
    its patterns."""
    types = sorted({*stored, *BY_TYPE, UNTYPED})
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
    all_lags: list[GroupLag] = []
    for i, (stream, event_type, own, number) in enumerate(streams):
        length, groups = replies[2 * i : 2 * i + 2]
        if isinstance(length, ResponseError):
            _add_unusable(status, stream, length)
            continue
        groups = [] if isinstance(groups, Exception) else groups  # there is no such stream
        lags = lag.of_stream(stream, event_type, own, length, groups)
        if length and not own:
            lags += lag.absent(stream, event_type, length, {each.group for each in lags}, registered[number])
            if not lags:
                status.orphans[event_type] = status.orphans.get(event_type, 0) + length
        all_lags += lags
    await _add_lags(client, all_lags, status, stored, now_ms)


async def _add_lags(client: Redis, lags: Sequence[GroupLag], status: Status, stored: set[str], now_ms: int) -> None:
    replies = await execute_all(client, [command for place in lags for command in place.commands()], raises=False)
    # A group may have vanished since its lag was read; its missing replies count as empty.
    entries = iter([() if isinstance(reply, Exception) else reply for reply in replies])
    for place in lags:
        pending = next(entries) if place.pending else ()
        first = next(entries) if place.backlog != 0 else ()
        backlog = place.backlog if place.backlog is not None else len(first)
        group = status.groups.setdefault(place.group, GroupStatus())
        if not (backlog or place.pending or (place.event_type in stored and not place.is_own)):
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


def _older(oldest_s: float | None, age_ms: int) -> float:
    return max(oldest_s or 0.0, round(age_ms / 1000, 3))

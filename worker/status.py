"""How far each group is, as Redis tells it: nothing here asks the workers, so it works when they do not.

Backlog counts what was never delivered; in flight is what some consumer holds. A few pipelines, one
more for each group, and no scan: lengths, the groups' own counters, first entries. Changes nothing, and claims nothing
in an empty Redis.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType
from redis.asyncio import Redis

from shared.events import BY_TYPE
from shared.keys import HANDOVER, UNTYPED, Keys
from worker import circuit, layout, paused
from worker.breaker import Opened
from worker.layout import Command, ask_all
from worker.routes import patterns_of

MOST_COUNTED: Final = 1000
"""Entries counted one by one where Redis has lost count; with thin events about a megabyte."""


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

    @property
    def unhandled(self) -> int:
        """Deliveries that are neither handled nor dead."""
        return self.delayed + sum(entry.backlog + entry.in_flight for entry in self.types.values())


class Status(msgspec.Struct):
    """Everything; `orphans` are types that no group reads, with their length. `shards` is 0 in an unused Redis."""

    groups: dict[str, GroupStatus] = msgspec.field(default_factory=dict)
    orphans: dict[str, int] = msgspec.field(default_factory=dict)
    shards: int = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """A group's place on one stream. `lag` is None where Redis has lost count."""

    stream: str
    event_type: str
    group: str
    is_own: bool
    length: int
    pending: int
    last_delivered: str
    lag: int | None
    is_missing: bool = False

    @property
    def backlog(self) -> int | None:
        """Entries never delivered; None when that takes counting."""
        if self.lag is None and self.is_own:
            # What is handled is deleted from a group's own stream, so what is not pending was not delivered.
            return max(0, self.length - self.pending)
        return self.lag

    def commands(self) -> list[Command]:
        """What finds its oldest pending entry, if any, and its first undelivered ones, if any."""
        commands: list[Command] = []
        if self.pending:
            commands.append(("XPENDING", self.stream, self.group, "-", "+", 1))
        if self.backlog != 0:
            count = MOST_COUNTED if self.backlog is None else 1
            commands.append(("XRANGE", self.stream, f"({self.last_delivered}", "+", "COUNT", count))
        return commands


async def look(client: Redis, configured_shards: int) -> Status:
    """The status now. Raises ConfigError, RedisError, OSError."""
    shards = await layout.shards(client, configured_shards)
    now_ms = await layout.now_ms(client)
    status = Status(shards=len(shards))
    names = ("groups", "types", "losses", "dropped", "worked", "patterns")
    replies = await ask_all(
        client,
        [
            command
            for shard in shards
            for command in (
                *(("HGETALL", shard.groups), ("SMEMBERS", shard.types), ("HGETALL", shard.losses)),
                *(("HGETALL", shard.dropped), ("HGETALL", shard.worked), ("HGETALL", shard.patterns)),
            )
        ],
    )
    found = {name: replies[i :: len(names)] for i, name in enumerate(names)}
    starts = [_pairs(flat) for flat in found["groups"]]
    status.groups = {name: GroupStatus() for name in sorted({name for born in starts for name in born})}
    seen = {name.decode() for types in found["types"] for name in types}
    for what in ("losses", "dropped"):
        for group, count in [pair for flat in found[what] for pair in _pairs(flat).items()]:
            if group in status.groups:
                entry = status.groups[group]
                setattr(entry, what, getattr(entry, what) + int(count))
    await _look_at_groups(client, shards, status)
    for name, told in status.groups.items():
        told.paused = await paused.look(client, shards, name)
        told.breakers = await circuit.look(client, name)
    subscribed = [_pairs(flat) for flat in found["patterns"]]
    await _look_at_streams(client, shards, status, seen, now_ms, list(zip(starts, subscribed, strict=True)))
    _find_abandoned(status, [_pairs(flat) for flat in found["worked"]], now_ms)
    return status


def _find_abandoned(status: Status, signs: Sequence[Mapping[str, bytes]], now_ms: int) -> None:
    for name, group in status.groups.items():
        last_ms = max((int(sign[name]) for sign in signs if name in sign), default=now_ms)
        silent_s = (now_ms - last_ms) / 1000
        if not group.consumers_alive and group.unhandled and silent_s >= ABANDONED_S:
            group.abandoned_s = round(silent_s, 3)


async def _look_at_groups(client: Redis, shards: Sequence[Keys], status: Status) -> None:
    """Delayed, dead, and who works."""
    places = [(group, shard) for group in status.groups for shard in shards]
    commands: list[Command] = []
    for group, shard in places:
        delayed = shard.delayed(group)
        commands += [("ZCARD", delayed), ("ZRANGE", delayed, 0, 0, "WITHSCORES")]
        commands += [("ZCARD", shard.dead(group)), ("HKEYS", shard.consumers(group))]
    replies = await ask_all(client, commands)
    consumers: dict[str, set[str]] = {group: set() for group in status.groups}
    for i, (group, _) in enumerate(places):
        delayed_count, first, dead, names = replies[4 * i : 4 * i + 4]
        entry = status.groups[group]
        entry.delayed += delayed_count
        entry.dead += dead
        if first:
            due_ms = int(float(first[1]))
            entry.next_due_ms = due_ms if entry.next_due_ms is None else min(due_ms, entry.next_due_ms)
        consumers[group] |= {name.decode() for name in names} - {HANDOVER}
    every = sorted(set().union(*consumers.values()))
    signs = await ask_all(client, [("EXISTS", shard.alive(name)) for shard in shards for name in every])
    alive = {name for name, sign in zip(every * len(shards), signs, strict=True) if sign}
    for group, members in consumers.items():
        status.groups[group].consumers = len(members)
        status.groups[group].consumers_alive = len(members & alive)


async def _look_at_streams(
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
    replies = await ask_all(client, commands, raises=False)
    places: list[_Place] = []
    for i, (stream, event_type, own, number) in enumerate(streams):
        length, groups = replies[2 * i : 2 * i + 2]
        if isinstance(length, Exception):
            raise length
        groups = [] if isinstance(groups, Exception) else groups  # there is no such stream
        found = _places(stream, event_type, own, length, groups)
        if length and not own:
            found += _coming(stream, event_type, length, {place.group for place in found}, told[number])
            if not found:
                status.orphans[event_type] = status.orphans.get(event_type, 0) + length
        places += found
    await _add_places(client, places, status, seen, now_ms)


def _places(stream: str, event_type: str, own: str, length: int, groups: Sequence[Any]) -> list[_Place]:
    """The groups on a stream; a group's own stream counts for it even where the group is missing."""
    found = []
    for flat in groups:
        info = _pairs(flat)
        name = info["name"].decode()
        if own in ("", name):
            last = info["last-delivered-id"].decode()
            found.append(_Place(stream, event_type, name, bool(own), length, info["pending"], last, info.get("lag")))
    if own and not found and length:
        found.append(_Place(stream, event_type, own, True, length, 0, "0-0", length, is_missing=True))
    return found


def _coming(
    stream: str,
    event_type: str,
    length: int,
    there: set[str],
    told: tuple[Mapping[str, bytes], Mapping[str, bytes]],
) -> list[_Place]:
    """The groups that subscribe to a type, but whose workers did not run since it came up."""
    starts, subscribed = told
    covering = set(patterns_of(event_type))
    return [
        _Place(stream, event_type, name, False, length, 0, starts[name].decode(), None, is_missing=True)
        for name, patterns in subscribed.items()
        if name in starts and name not in there
        if not covering.isdisjoint(patterns.decode().split())
    ]


async def _add_places(client: Redis, places: Sequence[_Place], status: Status, seen: set[str], now_ms: int) -> None:
    replies = await ask_all(client, [command for place in places for command in place.commands()], raises=False)
    # A group may have vanished since its place was read; what can't be told of it is left out.
    told = iter([() if isinstance(reply, Exception) else reply for reply in replies])
    for place in places:
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
        if place.backlog is None and backlog >= MOST_COUNTED:
            entry.backlog_is_minimum = True
        for oldest, *_ in (*pending, *first[:1]):
            entry.oldest_age_s = _older(entry.oldest_age_s, now_ms - int(oldest.partition(b"-")[0]))
        for _, _, idle_ms, _ in pending:
            entry.oldest_in_flight_s = _older(entry.oldest_in_flight_s, idle_ms)


def _older(known_s: float | None, age_ms: int) -> float:
    return max(known_s or 0.0, round(age_ms / 1000, 3))


def _pairs(flat: Sequence[Any]) -> Mapping[str, Any]:
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}

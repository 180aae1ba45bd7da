"""The status of each group, from Redis alone: workers are not queried, so it works while none runs.

Backlog counts events never delivered; in flight, deliveries that a consumer holds. Costs a handful of pipelines however
many groups there are, and no scan: lengths, the counters of the consumer groups, first entries. Changes nothing, and
writes no layout to an empty Redis.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from redis.exceptions import ResponseError

from ...shared import ingest_record, memory, redis_report
from ...shared.connection import Redis, parse_info
from ...shared.events import BY_TYPE
from ...shared.keys import HOME, UNTYPED, Keys
from ...shared.patterns import patterns_of
from ...shared.pipelined import MAX_COUNTS, execute_all
from ..inventory import known_sources, lag, readers, redeliveries, registry
from ..inventory.lag import MAX_COUNTED, GroupLag, pairs
from ..inventory.readers import Registration
from ..pipeline.unusable_keys import is_of_one_key
from . import group_status, waiting_suspects
from .group_status import GroupStatus, TypeStatus

ABANDONED_S: Final = 300.0
"""A group without a worker for this long counts as abandoned: longer than a rollout takes (a guess)."""


class Status(msgspec.Struct):
    """All groups. `orphans`: type without a group → number of its events. `shards` is 0 in an unused Redis."""

    groups: dict[str, GroupStatus] = msgspec.field(default_factory=dict)
    orphans: dict[str, int] = msgspec.field(default_factory=dict)
    shards: int = 0
    unusable: dict[str, str] = msgspec.field(default_factory=dict)
    """Keys that Redis refuses, such as one of another type → the reason. The counts do not include their content."""
    sources: list[str] = msgspec.field(default_factory=list)
    """Those of the ingest processes that have registered."""
    not_ready: dict[str, str] = msgspec.field(default_factory=dict)
    """Living ingest processes that receive nothing, or answer 503 → the reason."""
    processes: int = 0
    """Living ingest processes and workers; a quarantine process counts with its worker."""
    memory_share: float = 0.0
    """Memory that Redis has used, as a share of `maxmemory`; 0.0 without a limit."""
    can_save: bool = True
    """Whether Redis' last write of its append-only file and its last snapshot succeeded."""


async def fetch(client: Redis, configured_shards: int) -> Status:
    """Query the status. Raises ConfigError, RedisError, OSError."""
    shards = await registry.shards(client, configured_shards)
    now_ms = await registry.now_ms(client)
    status = Status(shards=len(shards))
    commands = [_commands(shard) for shard in shards]
    asked = [command for of_shard in commands for command in of_shard.values()]
    asked.append(("HGETALL", HOME.ingests))
    *replies, ingests = [reply or () for reply in await registry.execute_usable(client, asked, status.unusable)]
    status.sources = sorted(known_sources.read(ingests))
    living = {name: each for name, each in ingest_record.read(pairs(ingests)).items() if not each.is_silent(now_ms)}
    status.not_ready = {name: each.reason for name, each in sorted(living.items()) if each.reason}
    info = parse_info(await client.execute_command("INFO"))
    status.memory_share, status.can_save = round(memory.share_of(info), 4), redis_report.can_save(info)
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
    registrations = await group_status.query(client, shards, status.groups, status.unusable, now_ms)
    status.processes = len(living) + len(set[str]().union(*registrations.values()))
    subscribed = [pairs(flat) for flat in fields["patterns"]]
    streams = _streams(shards, stored, fields["redeliveries"])
    lags = await _query_streams(client, streams, status, stored, now_ms, list(zip(starts, subscribed, strict=True)))
    await waiting_suspects.query(client, status.groups, registrations, lags)
    for name, entry in status.groups.items():
        if not any(name in by_group for by_group in starts):
            entry.is_foreign = True
    _find_unread(status, registrations, _covered(subscribed))
    _find_unknown_sources(status, registrations)
    _find_abandoned(status, [pairs(flat) for flat in fields["worked"]], now_ms)
    return status


def _commands(shard: Keys) -> dict[str, tuple[str, str]]:
    """The commands that read what a shard holds about all groups."""
    return {
        "groups": ("HGETALL", shard.groups),
        "types": ("SMEMBERS", shard.types),
        "redeliveries": ("SMEMBERS", shard.redeliveries),
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


def _covered(subscribed: Sequence[Mapping[str, bytes]]) -> dict[str, set[str]]:
    """Group → its patterns, in whatever shard; without groups that never published any."""
    covered: dict[str, set[str]] = {}
    for name, patterns in [pair for by_group in subscribed for pair in by_group.items()]:
        covered.setdefault(name, set()).update(patterns.decode().split())
    return covered


def _find_unread(
    status: Status, registrations: Mapping[str, Mapping[str, Registration]], covered: Mapping[str, set[str]]
) -> None:
    """Of groups without a live consumer no type is unread: that is another problem, and ends with a worker."""
    for name, group in status.groups.items():
        consumers = registrations.get(name, {}).values()
        group.disputed = readers.disputed(consumers)
        for event_type, entry in group.types.items():
            waiting = entry.backlog + entry.in_flight
            if not waiting or any(consumer.reads(event_type) for consumer in consumers):
                continue
            if name in covered and covered[name].isdisjoint(patterns_of(event_type)):
                group.unsubscribed[event_type] = waiting
            elif consumers:
                group.unread[event_type] = waiting


def _find_unknown_sources(status: Status, registrations: Mapping[str, Mapping[str, Registration]]) -> None:
    known = frozenset(status.sources)
    for name, alive in registrations.items():
        taken = [each for consumer in alive.values() for each in consumer.taken()]
        status.groups[name].unknown_sources = known_sources.unknown(taken, known)


def _add_unusable(status: Status, key: str, error: ResponseError) -> None:
    if not is_of_one_key(error):
        raise error
    status.unusable[key] = str(error)


class _Stream(NamedTuple):
    """A stream of events that may exist, or the redelivery stream of group `own`; `number` is that of its shard."""

    key: str
    event_type: str
    own: str
    number: int


async def _query_streams(
    client: Redis,
    streams: Sequence[_Stream],
    status: Status,
    stored: set[str],
    now_ms: int,
    registered: Sequence[tuple[Mapping[str, bytes], Mapping[str, bytes]]],
) -> list[GroupLag]:
    """Query all streams. Returns the lag of each group on each.

    `stored` are the types ever stored. `registered`, per shard: group → its start id, and group → its patterns.
    """
    all_lags: list[GroupLag] = []
    for stream, length, groups in await _contents(client, streams):
        key, event_type, own, number = stream
        if isinstance(length, ResponseError):
            _add_unusable(status, key, length)
            continue
        lags = lag.of_stream(key, event_type, own, length, groups)
        if length and not own:
            lags += lag.absent(key, event_type, length, {each.group for each in lags}, registered[number])
            if not lags:
                status.orphans[event_type] = status.orphans.get(event_type, 0) + length
        all_lags += lags
    await _add_lags(client, all_lags, status, stored, now_ms)
    return all_lags


def _streams(shards: Sequence[Keys], stored: set[str], listed: Sequence[Sequence[bytes]]) -> list[_Stream]:
    """`listed`, per shard: the members of its set of redelivery streams."""
    names = sorted({*stored, *BY_TYPE, UNTYPED})
    streams = [_Stream(keys.stream(name), name, "", number) for number, keys in enumerate(shards) for name in names]
    for number, (keys, members) in enumerate(zip(shards, listed, strict=True)):
        for group, types in sorted(redeliveries.read(members).items()):
            streams += [_Stream(keys.redelivery(name, group), name, group, number) for name in sorted(types)]
    return streams


async def _contents(client: Redis, streams: Sequence[_Stream]) -> list[tuple[_Stream, int | ResponseError, list[Any]]]:
    """Each stream with its length, or why Redis refuses it, and its consumer groups."""
    lengths = await execute_all(client, [("XLEN", each.key) for each in streams], raises=False, at_once=MAX_COUNTS)
    # A redelivery stream may be gone by now.
    there = [(each, length) for each, length in zip(streams, lengths, strict=True) if length or not each.own]
    replies = await execute_all(client, [("XINFO", "GROUPS", each.key) for each, _ in there], raises=False)
    return [  # an error: there is no such stream
        (each, length, [] if isinstance(reply, Exception) else reply)
        for (each, length), reply in zip(there, replies, strict=True)
    ]


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

"""The processes of a bus: workers, their quarantine processes and ingest, as they have registered in Redis, and how
many deliveries each consumer holds.

Dead consumers are shown as long as they are registered, or hold anything. Costs a handful of round trips, however many
there are: one XINFO for each stream, and one XPENDING for each with deliveries in flight. Changes nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import structs

from ...shared import ingest_record
from ...shared.connection import Redis
from ...shared.ingest_record import IngestRecord
from ...shared.keys import HANDOVER, HOME, Keys, is_quarantined
from ...shared.pipelined import execute_all
from ...shared.process_name import place_of
from ...shared.raw_connection import Command
from ..inventory import redeliveries, registry, running
from ..inventory.lag import pairs
from ..inventory.readers import UNKNOWN, Options, Registration, registration
from ..inventory.registry import execute_usable
from ..inventory.running import Running

Held = dict[tuple[str, str], int]
"""Group and consumer → deliveries that it holds."""


class Membership(msgspec.Struct, frozen=True):
    """A consumer in one of its groups. `in_hand`: deliveries that it holds, running or not."""

    subscriptions: dict[str, Options | None]
    """Pattern → its options; None where the consumer publishes none."""
    only: str = ""
    in_hand: int = 0


class WorkerProcess(msgspec.Struct, frozen=True, kw_only=True):
    """A consumer: a worker, a quarantine process, or the handover. `since_ms` is Unix ms, 0 where it is unknown."""

    name: str
    host: str
    pid: int
    version: str
    since_ms: int
    is_alive: bool
    is_quarantine: bool
    groups: dict[str, Membership]
    running: Running | None = None
    """What runs there now; None where it publishes nothing, as in a Redis that is nearly full."""

    @property
    def in_hand(self) -> int:
        """Deliveries that it holds in all its groups."""
        return sum(each.in_hand for each in self.groups.values())


class IngestProcess(IngestRecord, frozen=True, omit_defaults=False, kw_only=True):
    """An ingest process; not alive when its record was not renewed in time."""

    name: str
    host: str
    pid: int
    is_alive: bool


class Processes(msgspec.Struct, frozen=True):
    """All processes, by name. `now_ms` is Redis' time."""

    workers: list[WorkerProcess]
    ingests: list[IngestProcess]
    now_ms: int
    unusable: dict[str, str]
    """Keys that Redis refuses → the reason. What they hold is left out."""


async def fetch(client: Redis, configured_shards: int) -> Processes:
    """Query the processes. Raises ConfigError, RedisError, OSError."""
    unusable: dict[str, str] = {}
    shards = await registry.shards(client, configured_shards)
    now_ms = await registry.now_ms(client)
    known, *of_shards = await execute_usable(client, [("HGETALL", HOME.ingests), *_commands(shards)], unusable)
    groups = sorted({name.decode() for names in of_shards[::3] for name in names or ()})
    streams = _streams(shards, of_shards[1::3], of_shards[2::3])
    places = [(keys, group) for keys in shards for group in groups]
    commands: list[Command] = [("HGETALL", keys.consumers(group)) for keys, group in places]
    replies = await execute_usable(client, commands, unusable)
    registered: dict[str, dict[str, Registration]] = {}
    for (_, group), flat in zip(places, replies, strict=True):
        for name, info in pairs(flat or ()).items():
            registered.setdefault(name, {})[group] = registration(info)
    held = await _held(client, streams)
    names = sorted({*registered, *(name for _, name in held)})
    liveness: list[Command] = [("EXISTS", *(keys.alive(name) for keys in shards)) for name in names]
    if names:
        liveness.append(("MGET", *map(HOME.running, names)))
    *alive, shown = await execute_usable(client, liveness, unusable) if names else [()]
    workers = [
        _worker(name, registered.get(name, {}), held, running.decode(stored), is_alive=bool(is_alive))
        for name, is_alive, stored in zip(names, alive, shown or [None] * len(names), strict=True)
    ]
    return Processes(workers, _ingests(pairs(known or ()), now_ms), now_ms, unusable)


def _commands(shards: Sequence[Keys]) -> list[Command]:
    commands: list[Command] = []
    for keys in shards:
        commands += [("HKEYS", keys.groups), ("SMEMBERS", keys.types), ("SMEMBERS", keys.redeliveries)]
    return commands


def _streams(shards: Sequence[Keys], types: Sequence[Any], listed: Sequence[Any]) -> list[str]:
    streams = [keys.stream(name.decode()) for keys, names in zip(shards, types, strict=True) for name in names or ()]
    for keys, members in zip(shards, listed, strict=True):
        for group, names in redeliveries.read(members or ()).items():
            streams += [keys.redelivery(name, group) for name in names]
    return streams


async def _held(client: Redis, streams: Sequence[str]) -> Held:
    """A stream or a group may vanish meanwhile."""
    replies = await execute_all(client, [("XINFO", "GROUPS", stream) for stream in streams], raises=False)
    places = [
        (stream, info["name"].decode())
        for stream, groups in zip(streams, replies, strict=True)
        if not isinstance(groups, Exception)
        for info in map(pairs, groups)
        if info["pending"]
    ]
    held: Held = {}
    pending = await execute_all(client, [("XPENDING", stream, group) for stream, group in places], raises=False)
    for (_, group), reply in zip(places, pending, strict=True):
        for name, count in () if isinstance(reply, Exception) else reply[3] or ():
            place = group, name.decode()
            held[place] = held.get(place, 0) + int(count)
    return held


def _worker(
    name: str, registered: Mapping[str, Registration], held: Held, shown: Running | None, *, is_alive: bool
) -> WorkerProcess:
    host, pid = place_of(name)
    groups = sorted({*registered, *(group for group, consumer in held if consumer == name)})
    return WorkerProcess(
        name=name,
        host="" if name == HANDOVER else host,
        pid=pid,
        version=next((each.version for each in registered.values() if each.version), ""),
        since_ms=min((each.since_ms for each in registered.values() if each.since_ms), default=0),
        is_alive=is_alive,
        is_quarantine=is_quarantined(name),
        groups={group: _membership(registered.get(group, UNKNOWN), held.get((group, name), 0)) for group in groups},
        running=shown,
    )


def _membership(known: Registration, in_hand: int) -> Membership:
    options: Sequence[Options | None] = known.options if len(known.options) == len(known.patterns) else ()
    padded = options or [None] * len(known.patterns)
    return Membership(dict(zip(known.patterns, padded, strict=True)), known.only, in_hand)


def _ingests(stored: Mapping[str, bytes], now_ms: int) -> list[IngestProcess]:
    processes = []
    for name, record in sorted(ingest_record.read(stored).items()):
        host, pid = place_of(name)
        fields: dict[str, Any] = structs.asdict(record)
        processes.append(IngestProcess(**fields, name=name, host=host, pid=pid, is_alive=not record.is_silent(now_ms)))
    return processes

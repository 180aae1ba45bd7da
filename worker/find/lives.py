"""The life of an event: a look at every group, then the details of all groups in one question, then who is alive.

Costs Redis a MULTI of some five commands for each group, a few commands more for each, and four round trips.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...shared.connection import Redis
from ...shared.keys import HOME, Keys, is_worker
from ...shared.pipelined import execute_all
from ...shared.raw_connection import Command
from ..inventory import registry, running
from ..inventory.lag import pairs
from ..inventory.readers import Registration, registration
from . import discards, glimpse, states
from .bus import Bus, Shard
from .glimpse import Glimpse, Pending
from .life import Life, Subject
from .shelves import Parked, Redelivered
from .states import Details, Seen

Consumers = Mapping[str, Registration]


async def fetch(client: Redis, bus: Bus, subject: Subject, most: int) -> Life:
    """Look at every group. `most`: how many records of each kind in a group to look through. Raises RedisError,
    OSError."""
    shard = bus.shards[subject.keys]
    glimpses = {
        group: await glimpse.look(client, subject, group, _own_types(bus, subject, group), most)
        for group in await _groups(client, subject, shard)
    }
    now_ms = await registry.now_ms(client)
    details, consumers = await _second_look(client, subject.keys, glimpses, now_ms)
    pending = [owner for each in details.values() for owner in each.pending.values()]
    pending += [each.pending for each in glimpses.values() if each.pending]
    holders = {owner.consumer for owner in pending}
    alive = await _alive(client, subject.keys, holders, consumers.values())
    runs = await _running(client, subject, holders)
    discarded = await discards.fetch(client, subject, _empty(shard.discarded, glimpses))
    groups = {}
    for group, each in glimpses.items():
        because = _because(bus, subject, group, consumers[group], alive, now_ms)
        narrowed = _narrowed(subject, consumers[group], alive)
        named = discarded.get(group, ())
        seen = Seen(subject, group, shard, each, details[group], alive, runs, because, named, narrowed)
        groups[group] = states.in_group(seen)
    return Life(subject, groups)


def _empty(discarded: Mapping[str, int], glimpses: Mapping[str, Glimpse]) -> list[str]:
    """The groups that hold nothing of the event and have discarded dead letters."""
    return [group for group, each in glimpses.items() if each.is_empty and discarded.get(group)]


async def _second_look(
    client: Redis, keys: Keys, glimpses: Mapping[str, Glimpse], now_ms: int
) -> tuple[dict[str, Details], dict[str, Consumers]]:
    """The details of what was found, and the workers that are registered, of each group."""
    commands = {group: _commands(keys, group, each) for group, each in glimpses.items()}
    replies = await execute_all(client, [each for asked in commands.values() for each in asked], raises=False)
    details: dict[str, Details] = {}
    consumers: dict[str, Consumers] = {}
    for group, asked in commands.items():
        part, replies = replies[: len(asked)], replies[len(asked) :]
        consumers[group] = {name: registration(info) for name, info in _hash(part[0]).items() if is_worker(name)}
        details[group] = _details(glimpses[group], part[1:], now_ms)
    return details, consumers


def _own_types(bus: Bus, subject: Subject, group: str) -> list[str]:
    """The types of the redelivery streams to read. That of a known type may have come to exist since `bus` was read."""
    return [subject.type] if subject.type else bus.redeliveries(subject.keys, group)


async def _groups(client: Redis, subject: Subject, shard: Shard) -> list[str]:
    """The groups of hookbus, and those on the stream that it did not create."""
    names = set(shard.starts)
    if subject.place:
        (reply,) = await execute_all(client, [("XINFO", "GROUPS", subject.place.key)], raises=False)
        if isinstance(reply, list):
            names |= {pairs(flat)["name"].decode() for flat in reply}
    return sorted(names)


def _commands(keys: Keys, group: str, found: Glimpse) -> list[Command]:
    """The questions about one group; `_details` reads the replies but for the first."""
    commands: list[Command] = [("HGETALL", keys.consumers(group)), ("HGETALL", keys.deaths(group))]
    for held in found.held:
        if isinstance(held, Parked):
            commands += [("ZSCORE", key, held.member) for key in (keys.delayed(group), keys.snoozed(group))]
        elif isinstance(held, Redelivered):
            commands.append(("XPENDING", held.stream, group, held.entry_id, held.entry_id, 1))
    return commands


def _details(found: Glimpse, replies: Sequence[Any], now_ms: int) -> Details:
    unread = iter(replies)
    deaths = {name: tuple(text.decode().split()) for name, text in _hash(next(unread)).items()}
    due_ms: dict[str, int] = {}
    snoozed: set[str] = set()
    pending: dict[str, Pending] = {}
    for held in found.held:
        if isinstance(held, Parked):
            due, since = next(unread), next(unread)
            due_ms[held.member] = int(float(due)) if isinstance(due, bytes) else now_ms  # promoted since the look
            if isinstance(since, bytes):
                snoozed.add(held.member)
        elif isinstance(held, Redelivered) and (owner := glimpse.pending_of(next(unread))):
            pending[held.entry_id] = owner
    return Details(now_ms, due_ms, snoozed, pending, deaths)


async def _alive(client: Redis, keys: Keys, holders: Iterable[str], consumers: Iterable[Consumers]) -> frozenset[str]:
    """The living among all consumers that hold a delivery, or are registered."""
    names = sorted({*holders}.union(*consumers))
    replies = await execute_all(client, [("EXISTS", keys.alive(name)) for name in names], raises=False)
    return frozenset(name for name, reply in zip(names, replies, strict=True) if reply == 1)


async def _running(client: Redis, subject: Subject, holders: Iterable[str]) -> dict[states.Run, int]:
    """Which attempts for the event run for a second or more, and since when, as their processes publish it."""
    names = sorted(holders)
    replies = await execute_all(client, [("MGET", HOME.running(name)) for name in names], raises=False)
    found: dict[states.Run, int] = {}
    for name, reply in zip(names, replies, strict=True):
        published = running.decode(reply[0]) if isinstance(reply, list) else None
        for each in published.longest if published else ():
            if (each.type, each.webhook_id) == (subject.type, subject.webhook_id[: running.NAME_CHARS]):
                found[each.group, name, each.attempt] = each.since_ms
    return found


def _because(
    bus: Bus, subject: Subject, group: str, consumers: Consumers, alive: frozenset[str], now_ms: int
) -> tuple[str, ...]:
    """What keeps deliveries of the event's type waiting in a group, for people."""
    living = [each for name, each in consumers.items() if name in alive]
    if not living:
        readers: tuple[str, ...] = ("no worker of the group is alive",)
    elif not any(each.reads(subject.type) for each in living):
        readers = ("none of the live workers reads this type",)
    else:
        readers = ()
    return (*readers, *bus.suspensions_of(group, subject.type, now_ms))


def _narrowed(subject: Subject, consumers: Consumers, alive: frozenset[str]) -> list[tuple[str, ...]]:
    """The sources to which each worker that reads the type narrows it: of the living, or of the last ones."""
    living = [each for name, each in consumers.items() if name in alive] or consumers.values()
    return [each.sources_of(subject.type) for each in living if subject.type and each.reads(subject.type)]


def _hash(reply: Any) -> Mapping[str, bytes]:
    return pairs(reply) if isinstance(reply, list) else {}

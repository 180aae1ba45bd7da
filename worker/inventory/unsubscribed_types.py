"""Finds unsubscribed types: a group is on the type's stream, no longer subscribes to it, and none of its live consumers
reads it. A dead consumer that read the type does not count: no other can take over its deliveries.

The group's unhandled events of such a type hold up trimming. They are kept for as long as orphans, counted from when a
worker first detected it (recorded in a hash, which outlasts restarts); until then a mistake in a release can be fixed.
A group without any consumer is exempt: it may be stopped or abandoned, which only people can decide.
"""

from collections.abc import Mapping, Sequence

from ...shared import log
from ...shared.connection import Redis
from ...shared.keys import Keys
from ...shared.patterns import patterns_of
from ...shared.pipelined import execute_all
from ...shared.raw_connection import Command
from . import registry
from .lag import pairs
from .readers import Registration, registration


async def fetch(client: Redis, keys: Keys, types: Sequence[str], now_ms: int, safe_ms: int) -> dict[str, list[str]]:
    """Return type → the groups unsubscribed for at least `safe_ms`; records new ones. Raises RedisError, OSError."""
    candidates = await _candidates(client, keys, types)
    checked = [name for name, groups in candidates.items() if groups]
    replies = await execute_all(client, [("XINFO", "GROUPS", keys.stream(name)) for name in checked], raises=False)
    unsubscribed = {
        _field(name, group): (name, group)
        for name, reply in zip(checked, replies, strict=True)
        if not isinstance(reply, Exception)
        for group in (pairs(flat)["name"].decode() for flat in reply)
        if group in candidates[name]
    }
    since = pairs(await client.execute_command("HGETALL", keys.left))
    added, removed = sorted(unsubscribed.keys() - since), sorted(since.keys() - unsubscribed)
    await _record(client, keys, added, removed, now_ms)
    expired: dict[str, list[str]] = {}
    for field, (name, group) in unsubscribed.items():
        if field in since and now_ms - int(since[field]) >= safe_ms:
            expired.setdefault(name, []).append(group)
    return expired


async def _record(client: Redis, keys: Keys, added: Sequence[str], removed: Sequence[str], now_ms: int) -> None:
    """Update the hash. Of several workers that detect a type, only the one that records it logs it."""
    commands: list[Command] = [("HSETNX", keys.left, field, now_ms) for field in added]
    if removed:
        commands.append(("HDEL", keys.left, *removed))
    for field, is_new in zip(added, await execute_all(client, commands), strict=False):
        if is_new:
            event_type, _, group = field.partition("|")
            effect = "its unhandled events have no handler, and are trimmed after worker.orphan_retention_s"
            remedy = f"subscribe to it again, or: hookbus-worker forget {group} --type {event_type}"
            log.get("worker.unsubscribed_types").warning(
                "type_unsubscribed", group=group, type=event_type, effect=effect, remedy=remedy
            )


def _field(event_type: str, group: str) -> str:
    return f"{event_type}|{group}"


async def _candidates(client: Redis, keys: Keys, types: Sequence[str]) -> dict[str, set[str]]:
    """Return type → the groups that do not subscribe to it and have consumers, none of which is alive and reads it."""
    subscribed = await registry.patterns(client, [keys])
    commands = [("HGETALL", keys.consumers(name)) for name in subscribed]
    replies = await execute_all(client, commands, raises=False)
    registered = {
        name: pairs(reply)
        for name, reply in zip(subscribed, replies, strict=True)
        if reply and not isinstance(reply, Exception)
    }
    readers = await _readers(client, keys, registered)
    return {
        name: {
            group
            for group, consumers in readers.items()
            if subscribed[group].isdisjoint(patterns_of(name)) and not any(each.reads(name) for each in consumers)
        }
        for name in types
    }


async def _readers(
    client: Redis, keys: Keys, registered: Mapping[str, Mapping[str, bytes]]
) -> dict[str, list[Registration]]:
    """Return group → the registrations of its live consumers."""
    commands = [("MGET", *map(keys.alive, consumers)) for consumers in registered.values()]
    return {
        group: [registration(info) for info, key in zip(consumers.values(), alive, strict=True) if key is not None]
        for (group, consumers), alive in zip(registered.items(), await execute_all(client, commands), strict=True)
    }

"""Which groups have left a type: they have a place on its stream, do not subscribe to it any more, and none of their
consumers that is alive reads it. A dead one that does is what held deliveries of it: nobody can take those over.

What such a group has not handled holds up trimming. It is kept for as long as events that no group reads, counted from
when a worker first saw it (a hash tells, which outlasts restarts), and then no more; one slip in a release can be
mended until then. A group without any consumer has left nothing: it may be stopped, or abandoned, which is for people.
"""

from collections.abc import Mapping, Sequence

from ...shared import log
from ...shared.connection import Redis
from ...shared.keys import Keys
from ..pipeline.routes import patterns_of
from .lag import pairs
from .readers import Registration, registration
from .registry import Command, execute_all


async def fetch(client: Redis, keys: Keys, types: Sequence[str], now_ms: int, safe_ms: int) -> dict[str, list[str]]:
    """Type → the groups that left it at least `safe_ms` ago. Notes who left now. Raises RedisError, OSError."""
    candidates = await _candidates(client, keys, types)
    asked = [name for name, groups in candidates.items() if groups]
    replies = await execute_all(client, [("XINFO", "GROUPS", keys.stream(name)) for name in asked], raises=False)
    found = {
        _field(name, group): (name, group)
        for name, reply in zip(asked, replies, strict=True)
        if not isinstance(reply, Exception)
        for group in (pairs(flat)["name"].decode() for flat in reply)
        if group in candidates[name]
    }
    since = pairs(await client.execute_command("HGETALL", keys.left))
    await _note(client, keys, sorted(found.keys() - since), sorted(since.keys() - found), now_ms)
    over: dict[str, list[str]] = {}
    for field, (name, group) in found.items():
        if field in since and now_ms - int(since[field]) >= safe_ms:
            over.setdefault(name, []).append(group)
    return over


async def _note(client: Redis, keys: Keys, new: Sequence[str], back: Sequence[str], now_ms: int) -> None:
    """Of several workers that see it, the one that notes it says it."""
    commands: list[Command] = [("HSETNX", keys.left, field, now_ms) for field in new]
    if back:
        commands.append(("HDEL", keys.left, *back))
    for field, is_new in zip(new, await execute_all(client, commands), strict=False):
        if is_new:
            event_type, _, group = field.partition("|")
            effect = "what waits of it is handled by nobody, and goes after worker.orphan_retention_s"
            remedy = f"subscribe to it again, or: hookbus-worker forget {group} --type {event_type}"
            log.get("worker.unsubscribed_types").warning(
                "type_unsubscribed", group=group, type=event_type, effect=effect, remedy=remedy
            )


def _field(event_type: str, group: str) -> str:
    return f"{event_type}|{group}"


async def _candidates(client: Redis, keys: Keys, types: Sequence[str]) -> dict[str, set[str]]:
    """Type → the groups that have consumers, of which none is alive and reads it, and do not subscribe to it."""
    subscribed = {
        name: frozenset(told.decode().split())
        for name, told in pairs(await client.execute_command("HGETALL", keys.patterns)).items()
    }
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
            for group, told in readers.items()
            if subscribed[group].isdisjoint(patterns_of(name)) and not any(each.reads(name) for each in told)
        }
        for name in types
    }


async def _readers(
    client: Redis, keys: Keys, registered: Mapping[str, Mapping[str, bytes]]
) -> dict[str, list[Registration]]:
    """Group → what those of its consumers read that are alive."""
    commands = [("MGET", *map(keys.alive, consumers)) for consumers in registered.values()]
    return {
        group: [registration(info) for info, sign in zip(consumers.values(), signs, strict=True) if sign is not None]
        for (group, consumers), signs in zip(registered.items(), await execute_all(client, commands), strict=True)
    }

"""Redeliveries that nobody will be given: of a type that their group does not subscribe to.

A handler went with a release while its letters were redriven, or while its failures waited for their next attempt.
They wait in the group's redelivery stream until it subscribes again, or until somebody recalls them: then they are dead
letters, which the tools list. What a worker holds is left to it.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ...shared import scripts
from ...shared.connection import Redis
from ...shared.decoding import UNDECODABLE
from ...shared.entry import Entry, parse
from ...shared.events import BY_TYPE
from ...shared.keys import UNTYPED, Keys
from ..inventory import registry
from ..inventory.registry import execute_all
from ..pipeline import dead_letter
from ..pipeline.dead_letter import DeadLetterRecord, fingerprint
from ..pipeline.outcome import unsubscribed
from ..pipeline.routes import patterns_of
from .moves import index

Subscribed = Mapping[str, frozenset[str]]
"""Group → the patterns that it subscribes to; a group whose workers never told is not in it."""

FIRST: Final = "-"


class UnsubscribedType(NamedTuple):
    """A redelivery stream that nobody reads, and how many entries lie there."""

    keys: Keys
    group: str
    type: str
    waiting: int


class Redelivery(NamedTuple):
    """One of its entries."""

    place: UnsubscribedType
    id: bytes
    entry: Entry


def is_unsubscribed(subscribed: Subscribed, group: str, event_type: str) -> bool:
    """Whether a group is known not to subscribe to a type."""
    return group in subscribed and subscribed[group].isdisjoint(patterns_of(event_type))


async def known_types(client: Redis, shards: Sequence[Keys], group: str) -> list[str]:
    """The types that a group may be given: documented, seen or named by it. Raises RedisError, OSError."""
    subscribed = await registry.patterns(client, shards)
    seen = await execute_all(client, [("SMEMBERS", keys.types) for keys in shards])
    own = {pattern for pattern in subscribed.get(group, ()) if not pattern.endswith("*")}
    types = {*BY_TYPE, UNTYPED, *own, *(name.decode() for names in seen for name in names)}
    return sorted(name for name in types if not is_unsubscribed(subscribed, group, name))


async def fetch(client: Redis, shards: Sequence[Keys]) -> list[UnsubscribedType]:
    """Where redeliveries lie that nobody will be given. Raises RedisError, OSError."""
    subscribed = await registry.patterns(client, shards)
    seen = await execute_all(client, [("SMEMBERS", keys.types) for keys in shards])
    places = [
        (keys, group, name)
        for keys, types in zip(shards, seen, strict=True)
        for name in sorted({*BY_TYPE, UNTYPED, *(each.decode() for each in types)})
        for group in sorted(subscribed)
        if is_unsubscribed(subscribed, group, name)
    ]
    lengths = await execute_all(client, [("XLEN", keys.redelivery(name, group)) for keys, group, name in places])
    return [UnsubscribedType(*place, count) for place, count in zip(places, lengths, strict=True) if count]


async def walk(
    client: Redis, places: Sequence[UnsubscribedType], until_ms: int, batch: int
) -> AsyncIterator[list[Redelivery]]:
    """All that lies there since `until_ms` (Unix ms) or before, in batches; entries that hookbus did not write stay."""
    for place in places:
        first, stream = FIRST, place.keys.redelivery(place.type, place.group)
        while entries := await client.execute_command("XRANGE", stream, first, until_ms, "COUNT", batch):
            first = f"({entries[-1][0].decode()}"
            yield [Redelivery(place, entry_id, found) for entry_id, found in map(_parsed, entries) if found is not None]


def _parsed(raw: Sequence[Any]) -> tuple[bytes, Entry | None]:
    entry_id, fields = raw
    try:
        return entry_id, parse(fields)
    except (KeyError, *UNDECODABLE):
        return entry_id, None


def recall(redelivery: Redelivery, dead_lettered_at_ms: int) -> scripts.Call:
    """The call that makes a dead letter of a redelivery, if nobody was given it."""
    place = redelivery.place
    record = write(redelivery, dead_lettered_at_ms)
    args = (
        place.group,
        redelivery.id,
        record.webhook_id,
        dead_lettered_at_ms,
        dead_letter.encode(record),
        record.fingerprint,
        dead_letter.encode(record.kind),
    )
    stream = place.keys.redelivery(place.type, place.group)
    return scripts.Call(scripts.RECALL, (stream, *index(place.keys, place.group, record.fingerprint)), args)


def write(redelivery: Redelivery, dead_lettered_at_ms: int) -> DeadLetterRecord:
    """The letter of a redelivery; its history tells what it died of before."""
    place, entry = redelivery.place, redelivery.entry
    bury = unsubscribed(place.group, place.type)
    return DeadLetterRecord(
        type=place.type,
        group=place.group,
        webhook_id=entry.webhook_id,
        source=entry.source,
        received_at_ms=entry.received_at_ms,
        dead_lettered_at_ms=dead_lettered_at_ms,
        reason=bury.reason,
        error_class=bury.cause.error_class,
        message=bury.cause.message,
        traceback="",
        frame="",
        fingerprint=fingerprint(bury.cause.error_class, "", place.type, bury.reason),
        attempts=entry.attempt - 1,
        history=entry.history,
        body=entry.body,
        traceparent=entry.traceparent,
        is_replay=entry.is_replay,
    )

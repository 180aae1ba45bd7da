"""Redeliveries of a type that their group does not subscribe to: no worker reads them.

A release removed a handler while its letters were redriven, or while its failures waited for their next attempt. The
redeliveries stay in the group's redelivery stream until it subscribes again, or until `dlq recall` turns them into dead
letters, which the tools list. Redeliveries that a worker has in flight are left to it.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ...shared import scripts
from ...shared.connection import Redis
from ...shared.entry import Entry, parse
from ...shared.events import BY_TYPE
from ...shared.keys import UNTYPED, Keys, listed_as
from ...shared.patterns import patterns_of
from ...shared.pipelined import MAX_COUNTS, execute_all
from ...shared.undecodable import UNDECODABLE
from ..inventory import redeliveries, registry
from ..pipeline import dead_letter
from ..pipeline.dead_letter import DeadLetterRecord, fingerprint
from ..pipeline.outcome import unsubscribed
from .moves import index

Subscribed = Mapping[str, frozenset[str]]
"""Group → the patterns that it subscribes to, without groups whose workers never published any."""

FIRST: Final = "-"


class UnsubscribedType(NamedTuple):
    """A redelivery stream of an unsubscribed type, and the number of its entries."""

    keys: Keys
    group: str
    type: str
    waiting: int


class Redelivery(NamedTuple):
    """One entry of such a stream."""

    place: UnsubscribedType
    id: bytes
    entry: Entry


def is_unsubscribed(subscribed: Subscribed, group: str, event_type: str) -> bool:
    """Whether a group has published patterns, none of which matches a type."""
    return group in subscribed and subscribed[group].isdisjoint(patterns_of(event_type))


async def known_types(client: Redis, shards: Sequence[Keys], group: str) -> list[str]:
    """Return the types that a group may receive: documented, stored or named by it. Raises RedisError, OSError."""
    subscribed = await registry.patterns(client, shards)
    stored = await execute_all(client, [("SMEMBERS", keys.types) for keys in shards])
    own = {pattern for pattern in subscribed.get(group, ()) if not pattern.endswith("*")}
    types = {*BY_TYPE, UNTYPED, *own, *(name.decode() for names in stored for name in names)}
    return sorted(name for name in types if not is_unsubscribed(subscribed, group, name))


async def fetch(client: Redis, shards: Sequence[Keys]) -> list[UnsubscribedType]:
    """Return the streams with redeliveries of unsubscribed types. Raises RedisError, OSError."""
    subscribed = await registry.patterns(client, shards)
    listed = await execute_all(client, [("SMEMBERS", keys.redeliveries) for keys in shards])
    places = [
        (keys, group, name)
        for keys, members in zip(shards, listed, strict=True)
        for group, types in sorted(redeliveries.read(members).items())
        for name in sorted(types)
        if is_unsubscribed(subscribed, group, name)
    ]
    commands = [("XLEN", keys.redelivery(name, group)) for keys, group, name in places]
    lengths = await execute_all(client, commands, at_once=MAX_COUNTS)
    return [UnsubscribedType(*place, count) for place, count in zip(places, lengths, strict=True) if count]


async def walk(
    client: Redis, places: Sequence[UnsubscribedType], until_ms: int, batch: int
) -> AsyncIterator[list[Redelivery]]:
    """Yield the redeliveries stored until `until_ms` (Unix ms) in batches; entries not written by hookbus stay."""
    for place in places:
        first, stream = FIRST, place.keys.redelivery(place.type, place.group)
        while entries := await client.execute_command("XRANGE", stream, first, until_ms, "COUNT", batch):
            first = f"({entries[-1][0].decode()}"
            yield [Redelivery(place, entry_id, entry) for entry_id, entry in map(_parsed, entries) if entry is not None]


def _parsed(raw: Sequence[Any]) -> tuple[bytes, Entry | None]:
    entry_id, fields = raw
    try:
        return entry_id, parse(fields)
    except (KeyError, *UNDECODABLE):
        return entry_id, None


def recall(redelivery: Redelivery, dead_lettered_at_ms: int) -> scripts.Call:
    """The call that turns a redelivery into a dead letter, unless it was delivered to a worker."""
    place = redelivery.place
    record = write(redelivery, dead_lettered_at_ms)
    args = (
        place.group,
        "",
        redelivery.id,
        listed_as(place.type, place.group),
        record.webhook_id,
        dead_lettered_at_ms,
        dead_letter.encode(record),
        record.fingerprint,
        dead_letter.encode(record.kind),
    )
    stream = place.keys.redelivery(place.type, place.group)
    names = (stream, *index(place.keys, place.group, record.fingerprint), place.keys.redeliveries)
    return scripts.Call(scripts.RECALL, names, args)


def write(redelivery: Redelivery, dead_lettered_at_ms: int) -> DeadLetterRecord:
    """Build the letter of a redelivery; its history keeps the earlier failures."""
    place, entry = redelivery.place, redelivery.entry
    outcome = unsubscribed(place.group, place.type)
    return DeadLetterRecord(
        type=place.type,
        group=place.group,
        webhook_id=entry.webhook_id,
        source=entry.source,
        received_at_ms=entry.received_at_ms,
        dead_lettered_at_ms=dead_lettered_at_ms,
        reason=outcome.reason,
        error_class=outcome.cause.error_class,
        message=outcome.cause.message,
        traceback="",
        frame="",
        fingerprint=fingerprint(outcome.cause.error_class, "", place.type, outcome.reason),
        attempts=entry.attempt - 1,
        history=entry.history,
        body=entry.body,
        traceparent=entry.traceparent,
        is_replay=entry.is_replay,
    )

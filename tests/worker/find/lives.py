"""Looks at the life of one event, as `search.find` does once it knows where the event is stored."""

from typing import Any

from redis.asyncio import Redis

from hookbus.shared import scripts
from hookbus.shared.entry import Entry, Failure, parse, redelivery_fields
from hookbus.worker.find import bus, lives
from hookbus.worker.find.life import InGroup, Life, Place, State, Subject
from tests.worker.builders import GROUP, KEYS, STREAM, TYPE, join, store, take
from tests.worker.dead_letters import subscribe

NAME = "wh_1"
FAILED = Failure(1, 1_700_000_000_000, 12, "host.1.abcd", "ValueError: no such customer")


async def stored(client: Redis, *names: str) -> None:
    """Store events of a type that the group subscribes to, and has joined."""
    await subscribe(client, TYPE)
    await join(client)
    await store(client, *(names or (NAME,)))


async def taken(client: Redis) -> Any:
    """Store an event, and take its delivery."""
    await stored(client)
    return (await take(client, "me"))[0]


async def life(client: Redis, name: str = NAME, most: int = 1000) -> Life:
    """The life of a stored event."""
    entries = await client.execute_command("XRANGE", STREAM, "-", "+")
    (place, entry) = next(
        (Place(STREAM, entry_id.decode()), parse(fields))
        for entry_id, fields in entries
        if parse(fields).webhook_id == name
    )
    return await life_of(client, Subject(KEYS, name, "openai", TYPE, entry, place), most)


async def life_of(client: Redis, subject: Subject, most: int = 1000) -> Life:
    """The life of an event that is found already."""
    return await lives.fetch(client, await bus.fetch(client, [KEYS]), subject, most)


async def in_group(client: Redis, name: str = NAME, group: str = GROUP, **options: Any) -> InGroup:
    """What a group has to do with a stored event."""
    return (await life(client, name, **options)).groups[group]


async def state(client: Redis, name: str = NAME, group: str = GROUP) -> State:
    """The only state of a stored event in a group."""
    (found,) = (await in_group(client, name, group)).states
    return found


async def park(client: Redis, in_flight: Any, due_ms: int, since_ms: int | str = "") -> None:
    """Park a delivery that a consumer has taken, as `settle` does."""
    keys, group = in_flight.keys, GROUP
    fields = redelivery_fields(in_flight.entry, in_flight.entry.attempt + 1, (*in_flight.entry.history, FAILED))
    names = (
        in_flight.stream,
        keys.delayed(group),
        keys.delayed_data(group),
        keys.snoozed(group),
        keys.due,
        keys.redeliveries,
    )
    listed = f"{group}|{TYPE}" if in_flight.is_own_stream else ""
    args = (group, "me", in_flight.entry_id, listed, in_flight.name, due_ms, since_ms, *fields)
    assert await scripts.run(client, scripts.Call(scripts.PARK, names, args)) == 1


async def promote(client: Redis, *members: str, now_ms: int) -> None:
    """Promote parked deliveries, as the duty does."""
    keys = (KEYS.delayed(GROUP), KEYS.delayed_data(GROUP), KEYS.snoozed(GROUP), KEYS.due, KEYS.redeliveries)
    streams = [KEYS.redelivery(TYPE, GROUP)] * len(members)
    call = scripts.Call(scripts.PROMOTE, (*keys, *streams), (now_ms, now_ms, GROUP, *members))
    assert await scripts.run(client, call) == [len(members)]


def an_entry(name: str = NAME, **changes: Any) -> Entry:
    """An entry of the event."""
    fields = {"webhook_id": name, "source": "openai", "received_at_ms": 1_700_000_000_000, "body": b"{}"}
    return Entry(**fields | changes)

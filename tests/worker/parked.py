"""Deliveries that wait for an attempt, for tests."""

import itertools

from redis.asyncio import Redis

from hookbus.shared import scripts
from hookbus.shared.clock import now_ms
from hookbus.shared.entry import Entry, Failure, redelivery_fields
from hookbus.shared.keys import Keys, shard_of
from hookbus.worker.inventory.redeliveries import relist

ENDED_MS = 1_700_000_000_000
TYPE = "response.completed"
PACK = "return redis.call('HSET', KEYS[1], ARGV[1], cmsgpack.pack({unpack(ARGV, 2)}))"
"""As `park.lua` stores the fields."""
_numbers = itertools.count(1001)
"""Of entry ids; all have four digits, so that names sort as they were made."""


def an_entry(name: str, error: str = "ValueError: no such customer", body: bytes = b"\x00\xff{}") -> Entry:
    """The entry of a delivery whose second attempt failed; none ran when `error` is empty."""
    history = (Failure(2, ENDED_MS, 5, "host.1.abcd", error),) if error else ()
    return Entry(name, "openai", ENDED_MS - 60_000, body, "00-trace", 3 if error else 1, history)


async def park(
    client: Redis, *names: str, group: str = "billing", event_type: str = TYPE, due_ms: int | None = None,
    error: str = "ValueError: no such customer", is_snooze: bool = False, shards: int = 1, step_ms: int = 1,
) -> list[str]:  # fmt: skip
    """Park deliveries, due a minute from now and `step_ms` after each other; returns their names."""
    first_ms = now_ms() + 60_000 if due_ms is None else due_ms
    members = []
    for i, name in enumerate(names):
        keys, at_ms = Keys(shard_of(name, shards)), first_ms + i * step_ms
        member = f"{event_type}||{ENDED_MS}-{next(_numbers)}"
        entry = an_entry(name, error)
        fields = redelivery_fields(entry, entry.attempt, entry.history)
        await client.execute_command("EVAL", PACK, 1, keys.delayed_data(group), member, *fields)
        await client.execute_command("ZADD", keys.delayed(group), at_ms, member)
        await client.execute_command("ZADD", keys.due, "LT", first_ms, group)
        if is_snooze:
            await client.execute_command("ZADD", keys.snoozed(group), ENDED_MS, member)
        members.append(member)
    return members


async def queue(
    client: Redis, *names: str, group: str = "billing", event_type: str = TYPE, error: str = "", shards: int = 1
) -> list[bytes]:
    """Put deliveries into the redelivery stream of a group, as a redrive does; returns their entry ids."""
    entry_ids = []
    for name in names:
        keys, entry = Keys(shard_of(name, shards)), an_entry(name, error)
        stream = keys.redelivery(event_type, group)
        fields = redelivery_fields(entry, entry.attempt, entry.history)
        entry_ids.append(await client.execute_command("XADD", stream, "*", *fields))
        await scripts.run(client, relist(keys, group, event_type))
    return entry_ids

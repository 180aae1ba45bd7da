"""The locations of a group's deliveries, counted by webhook-id in Redis itself, without hookbus's own tools.

Each delivery has one: it is a dead letter, parked until it is due, in a redelivery stream, or handled.
"""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from hookbus.shared.keys import Keys

KEYS: Final = Keys(0)
PART: Final = 5000
"""Entries in one reply."""
PARKED_IDS: Final = """
local names = {}
for i, packed in ipairs(redis.call('HMGET', KEYS[1], unpack(ARGV))) do
  local fields = cmsgpack.unpack(packed)
  for at = 1, #fields, 2 do if fields[at] == 'id' then names[i] = fields[at + 1] end end
end
return names
"""
"""The webhook-ids of parked deliveries; only Lua can read the format of `park.lua`."""
SHOWN: Final = 5
"""Webhook-ids in a message."""


@dataclass(frozen=True, slots=True)
class Locations:
    """How often each webhook-id is in each location."""

    dead: Counter[str]
    parked: Counter[str]
    redelivery: Counter[str]

    def check(self, names: Collection[str], handled: Iterable[str] = ()) -> None:
        """Raises AssertionError unless each of `names` is in exactly one location, and no other id is in any."""
        counts = self.dead + self.parked + self.redelivery
        counts.update(set(handled).intersection(names))
        lost = [name for name in names if not counts[name]]
        doubled = [name for name, count in counts.items() if count > 1]
        unsent = sorted(counts.keys() - set(names))
        for problem, ids in (("lost", lost), ("in two locations", doubled), ("never sent", unsent)):
            assert not ids, f"{len(ids)} {problem}: {' '.join(ids[:SHOWN])}; {self}"

    def __str__(self) -> str:
        return f"{self.dead.total()} dead, {self.parked.total()} parked, {self.redelivery.total()} in redelivery"


async def fetch(client: Redis, group: str, types: Sequence[str]) -> Locations:
    """The locations, while no process moves them. Raises AssertionError when indexes and data disagree."""
    redelivery: Counter[str] = Counter()
    for event_type in types:
        async for fields in entries(client, KEYS.redelivery(event_type, group)):
            redelivery[fields[fields.index(b"id") + 1].decode()] += 1
    return Locations(await dead(client, group), await parked(client, group), redelivery)


async def dead(client: Redis, group: str) -> Counter[str]:
    """The dead letters. Raises AssertionError unless the indexes by time and by cause agree with the records."""
    execute = client.execute_command
    letters = Counter(await execute("ZRANGE", KEYS.dead(group), 0, -1))
    by_cause: Counter[bytes] = Counter()
    for name in await execute("HKEYS", KEYS.dead_fingerprints(group)):
        by_cause.update(await execute("ZRANGE", KEYS.dead_fingerprint(group, name.decode()), 0, -1))
    assert letters == by_cause, "the dead letters by time and by cause are not the same"
    assert letters.keys() == set(await execute("HKEYS", KEYS.dead_data(group))), "dead letters and records differ"
    return Counter(name.decode() for name in letters)


async def parked(client: Redis, group: str) -> Counter[str]:
    """The waiting retries."""
    members = await client.execute_command("ZRANGE", KEYS.delayed(group), 0, -1)
    names: Counter[str] = Counter()
    for first in range(0, len(members), PART):
        part = members[first : first + PART]
        ids = await client.execute_command("EVAL", PARKED_IDS, 1, KEYS.delayed_data(group), *part)
        names.update(name.decode() for name in ids)
    assert len(members) == await client.execute_command("HLEN", KEYS.delayed_data(group)), "data without a retry"
    return names


async def entries(client: Redis, stream: str) -> AsyncIterator[list[bytes]]:
    """The fields of all entries of a stream."""
    after = "-"
    while part := await client.execute_command("XRANGE", stream, after, "+", "COUNT", PART):
        for _, fields in part:
            yield fields
        after = f"({part[-1][0].decode()}"


async def total(client: Redis, group: str, types: Sequence[str]) -> int:
    """How many deliveries are in all locations together, at one moment: in one transaction."""
    pipeline = client.pipeline(transaction=True)
    commands: list[tuple[str, Any]] = [
        ("ZCARD", KEYS.dead(group)),
        ("ZCARD", KEYS.delayed(group)),
        *(("XLEN", KEYS.redelivery(event_type, group)) for event_type in types),
    ]
    for command in commands:
        pipeline.execute_command(*command)
    return sum(await pipeline.execute())

"""Where the deliveries of a group are, counted by webhook-id in Redis itself, past hookbus' own tools.

Each is in one place: a dead letter, parked until it is due, in a redelivery stream, or handled.
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
WHOSE: Final = """
local names = {}
for i, packed in ipairs(redis.call('HMGET', KEYS[1], unpack(ARGV))) do
  local fields = cmsgpack.unpack(packed)
  for at = 1, #fields, 2 do if fields[at] == 'id' then names[i] = fields[at + 1] end end
end
return names
"""
"""The webhook-ids of parked deliveries; only Lua reads what `park.lua` packed."""
SHOWN: Final = 5
"""Names in a message."""


@dataclass(frozen=True, slots=True)
class Places:
    """Webhook-id → how often it is there."""

    dead: Counter[str]
    parked: Counter[str]
    redelivery: Counter[str]

    def check(self, names: Collection[str], handled: Iterable[str] = ()) -> None:
        """Raises AssertionError unless each of `names` is in exactly one place, and nothing else is anywhere."""
        found = self.dead + self.parked + self.redelivery
        found.update(set(handled).intersection(names))
        nowhere = [name for name in names if not found[name]]
        twice = [name for name, count in found.items() if count > 1]
        strange = found.keys() - set(names)
        for problem, who in (("nowhere", nowhere), ("in two places", twice), ("that nobody sent", sorted(strange))):
            assert not who, f"{len(who)} {problem}: {' '.join(who[:SHOWN])}; {self}"

    def __str__(self) -> str:
        return f"{self.dead.total()} dead, {self.parked.total()} parked, {self.redelivery.total()} in redelivery"


async def fetch(client: Redis, group: str, types: Sequence[str]) -> Places:
    """Where they are, while nobody moves them. Raises AssertionError when an index does not fit what it indexes."""
    redelivery: Counter[str] = Counter()
    for event_type in types:
        async for fields in entries(client, KEYS.redelivery(event_type, group)):
            redelivery[fields[fields.index(b"id") + 1].decode()] += 1
    return Places(await dead(client, group), await parked(client, group), redelivery)


async def dead(client: Redis, group: str) -> Counter[str]:
    """The dead letters, which three indexes have to agree on."""
    execute = client.execute_command
    letters = Counter(await execute("ZRANGE", KEYS.dead(group), 0, -1))
    by_cause: Counter[bytes] = Counter()
    for name in await execute("HKEYS", KEYS.dead_fingerprints(group)):
        by_cause.update(await execute("ZRANGE", KEYS.dead_fingerprint(group, name.decode()), 0, -1))
    assert letters == by_cause, "the dead letters by time and by cause are not the same"
    assert letters.keys() == set(await execute("HKEYS", KEYS.dead_data(group))), "dead letters and records do not fit"
    return Counter(name.decode() for name in letters)


async def parked(client: Redis, group: str) -> Counter[str]:
    """The retries that are not promoted yet."""
    members = await client.execute_command("ZRANGE", KEYS.delayed(group), 0, -1)
    names: Counter[str] = Counter()
    for first in range(0, len(members), PART):
        part = members[first : first + PART]
        found = await client.execute_command("EVAL", WHOSE, 1, KEYS.delayed_data(group), *part)
        names.update(name.decode() for name in found)
    assert len(members) == await client.execute_command("HLEN", KEYS.delayed_data(group)), "fields of no retry"
    return names


async def entries(client: Redis, stream: str) -> AsyncIterator[list[bytes]]:
    """The fields of all entries of a stream."""
    after = "-"
    while part := await client.execute_command("XRANGE", stream, after, "+", "COUNT", PART):
        for _, fields in part:
            yield fields
        after = f"({part[-1][0].decode()}"


async def total(client: Redis, group: str, types: Sequence[str]) -> int:
    """How many deliveries are in all places together, at one moment: nothing may come between these commands."""
    pipeline = client.pipeline(transaction=True)
    commands: list[tuple[str, Any]] = [
        ("ZCARD", KEYS.dead(group)),
        ("ZCARD", KEYS.delayed(group)),
        *(("XLEN", KEYS.redelivery(event_type, group)) for event_type in types),
    ]
    for command in commands:
        pipeline.execute_command(*command)
    return sum(await pipeline.execute())

"""The redelivery streams that exist, as each shard lists them: nobody has to guess their names.

An operator may delete or rename the list, or Redis may have refused it for a while: then `unlisted` does guess.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from ...shared import scripts
from ...shared.connection import Redis
from ...shared.events import BY_TYPE
from ...shared.keys import UNTYPED, Keys, listed_as
from ...shared.pipelined import execute_all
from .registry import patterns

NAMES_AT_ONCE: Final = 1000
"""Names in one EXISTS: up to half a millisecond of Redis' time (a guess)."""


def read(members: Iterable[bytes]) -> Mapping[str, frozenset[str]]:
    """Group → the types of its redelivery streams, from the members of `Keys.redeliveries`."""
    found: dict[str, set[str]] = {}
    for member in members:
        group, _, event_type = member.decode().partition("|")
        found.setdefault(group, set()).add(event_type)
    return {group: frozenset(types) for group, types in found.items()}


def relist(keys: Keys, group: str, event_type: str) -> scripts.Call:
    """The call that makes a redelivery stream and the list agree."""
    names = (keys.redelivery(event_type, group), keys.redeliveries)
    return scripts.Call(scripts.RELIST, names, (group, listed_as(event_type, group)))


async def unlisted(client: Redis, keys: Keys) -> list[tuple[str, str]]:
    """Group and type of the redelivery streams that exist and are not listed. Raises RedisError, OSError.

    Costs one EXISTS for a thousand possible names, and more only where one exists.
    """
    groups, stored, members = await execute_all(
        client, [("HKEYS", keys.groups), ("SMEMBERS", keys.types), ("SMEMBERS", keys.redeliveries)]
    )
    named = {name for of_group in (await patterns(client, [keys])).values() for name in of_group if "*" not in name}
    types = sorted({*BY_TYPE, UNTYPED, *named, *map(bytes.decode, stored)})
    listed = read(members)
    possible = [
        (group, name)
        for group in sorted(map(bytes.decode, groups))
        for name in types
        if name not in listed.get(group, ())
    ]
    parts = [possible[first : first + NAMES_AT_ONCE] for first in range(0, len(possible), NAMES_AT_ONCE)]
    counts = await execute_all(client, [("EXISTS", *_streams(keys, part)) for part in parts])
    doubtful = [one for part, count in zip(parts, counts, strict=True) if count for one in part]
    exist = await execute_all(client, [("EXISTS", name) for name in _streams(keys, doubtful)])
    return [one for one, exists in zip(doubtful, exist, strict=True) if exists]


def _streams(keys: Keys, names: Iterable[tuple[str, str]]) -> list[str]:
    return [keys.redelivery(event_type, group) for group, event_type in names]

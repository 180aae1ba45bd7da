"""What a search has to know of all groups: one pipeline, which holds no event."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from ...shared.connection import Redis
from ...shared.keys import HOME, Keys
from ...shared.patterns import matches, patterns_of
from ...shared.raw_connection import Command
from ..inventory import known_sources, pauses, redeliveries, suspensions
from ..inventory.lag import pairs
from ..inventory.pauses import Paused
from ..inventory.registry import execute_usable
from ..inventory.suspensions import Held, Suspension

PER_SHARD: Final = 8


class Shard(msgspec.Struct, frozen=True):
    """What one shard holds. `starts`: group → the stream id that it starts after; `patterns`: group → the patterns of
    its last worker to start; `redeliveries`: group → types of its redelivery streams; `dropped`,
    `discarded`: group → how many dead letters its retention dropped, and people discarded; `losses`: group → how often
    it lost data."""

    types: Sequence[str]
    starts: Mapping[str, str]
    patterns: Mapping[str, frozenset[str]]
    redeliveries: Mapping[str, frozenset[str]]
    dropped: Mapping[str, int]
    discarded: Mapping[str, int]
    losses: Mapping[str, int]


class Bus(msgspec.Struct, frozen=True):
    """All shards, the sources of the ingest processes, and what suspends subscriptions: group → pattern."""

    shards: Mapping[Keys, Shard]
    sources: frozenset[str]
    paused: Mapping[str, Mapping[str, Paused]]
    suspended: Mapping[str, Mapping[str, Suspension]]
    unusable: Mapping[str, str]

    @property
    def streams(self) -> list[tuple[Keys, str]]:
        """Every event stream, as shard and type."""
        return [(keys, name) for keys, shard in self.shards.items() for name in shard.types]

    def redeliveries(self, keys: Keys, group: str) -> list[str]:
        """The types of a group's redelivery streams in one shard."""
        return sorted(self.shards[keys].redeliveries.get(group, ()))

    def suspensions_of(self, group: str, event_type: str, now_ms: int) -> tuple[str, ...]:
        """What keeps deliveries of a type back from a group, for people."""
        paused = [f"{name} is paused" for name in self.paused.get(group, {}) if matches(name, event_type)]
        closed = [
            f"{pattern} is held by its handler" if isinstance(each, Held) else f"the breaker of {pattern} is open"
            for pattern, each in sorted(self.suspended.get(group, {}).items())
            if pattern in patterns_of(event_type) and (not isinstance(each, Held) or each.until_ms > now_ms)
        ]
        return (*paused, *closed)


async def fetch(client: Redis, shards: Sequence[Keys]) -> Bus:
    """Read it. Raises RedisError, OSError."""
    unusable: dict[str, str] = {}
    commands: list[Command] = [("HGETALL", suspensions.KEY), ("HGETALL", HOME.ingests)]
    for keys in shards:
        commands += [("SMEMBERS", keys.types), ("SMEMBERS", keys.redeliveries)]
        hashes = (keys.groups, keys.patterns, keys.paused, keys.dropped, keys.discarded, keys.losses)
        commands += [("HGETALL", key) for key in hashes]
    suspended, ingests, *replies = await execute_usable(client, commands, unusable)
    parts = [[reply or () for reply in replies[i : i + PER_SHARD]] for i in range(0, len(replies), PER_SHARD)]
    return Bus(
        {keys: _shard(part) for keys, part in zip(shards, parts, strict=True)},
        known_sources.read(ingests or ()),
        pauses.read([part[4] for part in parts]),
        suspensions.read(suspended or ()),
        unusable,
    )


def _shard(replies: Sequence[Sequence[bytes]]) -> Shard:
    types, listed, starts, patterns, _, dropped, discarded, losses = replies
    return Shard(
        sorted(map(bytes.decode, types)),
        {name: start.decode() for name, start in pairs(starts).items()},
        {name: frozenset(text.decode().split()) for name, text in pairs(patterns).items()},
        redeliveries.read(listed),
        _counts(dropped),
        _counts(discarded),
        _counts(losses),
    )


def _counts(reply: Sequence[bytes]) -> dict[str, int]:
    """What is no number counts as 0."""
    return {name: int(count) if count.isdigit() else 0 for name, count in pairs(reply).items()}

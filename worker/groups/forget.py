"""Removes a group that nobody works for any more, with everything that waits for it.

Step by step, each one a script that does nothing when a consumer of the group lives, or has come since we looked. The
group's name goes with the last step: whoever is killed before that begins again and ends it. Until then the streams
that it subscribes to stay as they are.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

import msgspec

from ...shared import scripts
from ...shared.command import FailedError
from ...shared.connection import Redis
from ...shared.keys import HANDOVER, Keys
from ..api.delivery import type_of_member
from ..dlq.query import DeadLetters, Filter
from ..inspect import status
from ..inspect.status import GroupStatus
from ..inventory import registry
from ..inventory.lag import pairs
from ..inventory.registry import execute_all

BATCH: Final = 1000
"""Things done in one step: some milliseconds of Redis' time."""


class TypeFootprint(msgspec.Struct):
    """What a group has of one type."""

    backlog: int = 0
    in_flight: int = 0
    delayed: int = 0
    dead: int = 0


class GroupFootprint(msgspec.Struct):
    """What a group has, in all and by type. `alive` are its consumers that live."""

    group: str
    alive: list[str]
    types: dict[str, TypeFootprint]

    @property
    def unhandled(self) -> int:
        """Deliveries that are neither handled nor dead."""
        return sum(counts.backlog + counts.in_flight + counts.delayed for counts in self.types.values())

    @property
    def dead(self) -> int:
        """Its dead letters."""
        return sum(counts.dead for counts in self.types.values())


class GroupDeletion:
    """One group in all shards. `spared` are consumers that may live: what is removed is nothing of theirs."""

    def __init__(self, client: Redis, shards: Sequence[Keys], group: str, spared: frozenset[str] = frozenset()) -> None:
        self._client = client
        self._shards = shards
        self._group = group
        self._spared = spared

    @classmethod
    async def open(cls, client: Redis, configured_shards: int, group: str) -> "GroupDeletion":
        """Raises FailedError when there is no such group, ConfigError, RedisError, OSError."""
        store = await DeadLetters.open(client, configured_shards)
        if group not in store.groups:
            others = (await status.fetch(client, configured_shards)).groups
            if group not in others:  # else it is a consumer group of somebody else's on our streams
                store.require(group)
        return cls(client, store.shards, group)

    async def fetch(self) -> GroupFootprint:
        """What would be removed. Raises RedisError, OSError."""
        types: dict[str, TypeFootprint] = {}
        told = (await status.fetch(self._client, len(self._shards))).groups[self._group]
        for name, entry in told.types.items():
            types[name] = TypeFootprint(entry.backlog, entry.in_flight)
        for name, count in (await self._delayed()).items():
            types.setdefault(name, TypeFootprint()).delayed += count
        store = DeadLetters(self._client, self._shards, [self._group])
        for summary in await store.summaries(Filter(groups=(self._group,))):
            types.setdefault(summary.kind.type, TypeFootprint()).dead += summary.count
        alive = {name for keys in self._shards for name in await self._alive(keys, await self.consumers(keys))}
        alive |= set(await self._foreigners(told, types))
        return GroupFootprint(self._group, sorted(alive), {name: types[name] for name in sorted(types)})

    async def _foreigners(self, told: GroupStatus, types: Iterable[str]) -> list[str]:
        """The consumers of a group of somebody else's that did something lately; signs of life it has none."""
        if told.is_foreign is not True:
            return []
        streams = [keys.stream(name) for keys in self._shards for name in types]
        commands = [("XINFO", "CONSUMERS", stream, self._group) for stream in streams]
        replies = await execute_all(self._client, commands, raises=False)
        found = [pairs(flat) for reply in replies if not isinstance(reply, Exception) for flat in reply]
        return [info["name"].decode() for info in found if info["idle"] < status.ABANDONED_S * 1000]

    async def run(self) -> None:
        """Remove it all. Raises FailedError when a consumer lives, RedisError, OSError."""
        for keys in self._shards:
            known = await self.consumers(keys)
            async for stream in self._streams(keys):
                await self.leave(keys, known, stream)
            while fingerprints := await self._some_fingerprints(keys):
                letters = [keys.dead_fingerprint(self._group, each) for each in fingerprints]
                await self.drop(keys, known, letters, [(keys.dead_fingerprints(self._group), f) for f in fingerprints])
        for keys in self._shards:
            # A replay or a redrive beside us may have come after the first look; with this nothing is left to them.
            whole = [*self._whole(keys), *await self._redeliveries(keys)]
            await self.drop(keys, await self.consumers(keys), whole, self._fields(keys))

    def _whole(self, keys: Keys) -> list[str]:
        group = self._group
        return [
            keys.dead(group),
            keys.dead_data(group),
            keys.dead_fingerprints(group),
            keys.delayed(group),
            keys.delayed_data(group),
            keys.paused(group),
            keys.breakers(group),
            keys.started(group),
            keys.deaths(group),
            keys.consumers(group),
        ]

    def _fields(self, keys: Keys) -> list[tuple[str, str]]:
        hashes = (keys.patterns, keys.worked, keys.losses, keys.dropped, keys.groups)
        return [(name, self._group) for name in hashes]

    async def _streams(self, keys: Keys) -> AsyncIterator[str]:
        """Every stream of the shard, also of types that were named by its subscriptions and never came."""
        cursor: str | bytes = "0"
        while True:
            pattern = keys.stream("*")
            cursor, names = await self._client.execute_command(
                "SCAN", cursor, "MATCH", pattern, "COUNT", BATCH, "TYPE", "stream"
            )
            for name in names:
                yield name.decode()
            if int(cursor) == 0:
                return

    async def _redeliveries(self, keys: Keys) -> list[str]:
        """Its own streams, there or not, of every type that was seen."""
        types = await self._client.execute_command("SMEMBERS", keys.types)
        return [keys.redelivery(name.decode(), self._group) for name in types]

    async def leave(self, keys: Keys, known: Sequence[str], stream: str) -> None:
        """Take the group's place on a stream away, or its own stream. Raises FailedError, RedisError, OSError."""
        if ":" in stream.removeprefix(keys.stream("")):
            if stream == keys.redelivery(stream.removeprefix(keys.stream("")).partition(":")[0], self._group):
                await self.drop(keys, known, [stream], [])
            return
        call = scripts.Call(
            scripts.UNJOIN,
            (stream, keys.consumers(self._group), *self._signs(keys, known)),
            (self._group, BATCH, *known),
        )
        while (result := await scripts.run(self._client, call)) != 1:
            if result == -1:
                raise self._refusal(await self._alive(keys, await self.consumers(keys)))

    async def drop(
        self, keys: Keys, known: Sequence[str], whole: Sequence[str], fields: Sequence[tuple[str, str]]
    ) -> None:
        """Drop keys, and fields of hashes. Raises FailedError when a consumer lives, RedisError, OSError."""
        call = scripts.Call(
            scripts.FORGET,
            (keys.consumers(self._group), *self._signs(keys, known), *whole, *(key for key, _ in fields)),
            (len(known), *known, len(whole), *(field for _, field in fields)),
        )
        if not await scripts.run(self._client, call):
            raise self._refusal(await self._alive(keys, await self.consumers(keys)))

    def _refusal(self, alive: Sequence[str]) -> FailedError:
        return FailedError(refusal(self._group, alive) + "; what was begun is ended by another forget")

    def _signs(self, keys: Keys, known: Sequence[str]) -> list[str]:
        """The liveness keys that must not be there: in place of one who is spared, that of one who never lives."""
        return [keys.alive(HANDOVER if name in self._spared else name) for name in known]

    async def consumers(self, keys: Keys) -> list[str]:
        """The consumers that are registered in a shard."""
        names = await self._client.execute_command("HKEYS", keys.consumers(self._group))
        return [name.decode() for name in names]

    async def _alive(self, keys: Keys, names: Sequence[str]) -> list[str]:
        signs = await execute_all(self._client, [("EXISTS", keys.alive(name)) for name in names])
        return [
            name
            for name, sign in zip(names, signs, strict=True)
            if sign and name != HANDOVER and name not in self._spared
        ]

    async def _some_fingerprints(self, keys: Keys) -> list[str]:
        key = keys.dead_fingerprints(self._group)
        names = await self._client.execute_command("HRANDFIELD", key, BATCH)
        return [name.decode() for name in names]

    async def _delayed(self) -> Counter[str]:
        """Waiting retries by type."""
        found: Counter[str] = Counter()
        for keys in self._shards:
            first = 0
            while names := await self._client.execute_command(
                "ZRANGE", keys.delayed(self._group), first, first + registry.PIPELINE - 1
            ):
                found.update(type_of_member(name.decode()) for name in names)
                first += len(names)
        return found


def refusal(group: str, alive: Sequence[str]) -> str:
    """Why a group can't be forgotten."""
    who = ", ".join(alive) or "a worker that just started"
    return f"group {group} is worked for by {who}: stop them first (a killed one counts for 10 s more)"

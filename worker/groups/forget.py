"""Removes a group without live consumers, with its backlog, its retries and its dead letters.

Works in steps; each is a script that does nothing when a consumer of the group is alive or has registered since the
last look. The last step removes the group's name: after a kill before that, another `forget` completes the removal.
Until then the streams that the group subscribes to stay as they are.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Final

import msgspec

from ...shared import scripts
from ...shared.command import FailedError
from ...shared.connection import Redis
from ...shared.keys import HANDOVER, Keys, listed_as
from ...shared.pipelined import MAX_COMMANDS, execute_all
from ..api.delivery import type_of_member
from ..dlq.filter import Filter
from ..dlq.query import DeadLetters
from ..inspect import status
from ..inspect.group_status import GroupStatus
from ..inventory import expiries, pauses, redeliveries, suspensions
from ..inventory.lag import pairs

BATCH: Final = 1000
"""Items per step: some milliseconds of Redis' time."""
Stepped = Callable[[str, int], None]
"""Hears after a step: the type that one shard holds no more, "" for none, and the number of dead letters that went."""


def ignored(event_type: str, letters: int) -> None:
    """Nobody wants to hear of a step."""


class TypeFootprint(msgspec.Struct):
    """The counts of one type in a group."""

    backlog: int = 0
    in_flight: int = 0
    delayed: int = 0
    dead: int = 0


class GroupFootprint(msgspec.Struct):
    """The counts of a group by type. `alive` are the names of its live consumers."""

    group: str
    alive: list[str]
    types: dict[str, TypeFootprint]

    @property
    def unhandled(self) -> int:
        """Deliveries that are neither handled nor dead letters."""
        return sum(counts.backlog + counts.in_flight + counts.delayed for counts in self.types.values())

    @property
    def dead(self) -> int:
        """The number of its dead letters."""
        return sum(counts.dead for counts in self.types.values())

    @property
    def received(self) -> int:
        """What it holds beside its backlog: a new event alone adds nothing to it."""
        return self.dead + sum(counts.in_flight + counts.delayed for counts in self.types.values())


class GroupDeletion:
    """Removes one group in all shards. `spared` consumers may be alive: nothing that they read is removed."""

    def __init__(self, client: Redis, shards: Sequence[Keys], group: str, spared: frozenset[str] = frozenset()) -> None:
        self._client = client
        self._shards = shards
        self._group = group
        self._spared = spared

    @classmethod
    async def open(cls, client: Redis, configured_shards: int, group: str) -> "GroupDeletion":
        """Open a group. Raises FailedError when it does not exist, ConfigError, RedisError, OSError."""
        store = await DeadLetters.open(client, configured_shards)
        if group not in store.groups:
            others = (await status.fetch(client, configured_shards)).groups
            if group not in others:  # else it is a foreign consumer group on our streams
                store.require(group)
        return cls(client, store.shards, group)

    async def fetch(self) -> GroupFootprint:
        """Count what `run` would remove. Raises RedisError, OSError."""
        types: dict[str, TypeFootprint] = {}
        group = (await status.fetch(self._client, len(self._shards))).groups[self._group]
        for name, entry in group.types.items():
            types[name] = TypeFootprint(entry.backlog, entry.in_flight)
        for name, count in (await self._delayed()).items():
            types.setdefault(name, TypeFootprint()).delayed += count
        store = DeadLetters(self._client, self._shards, [self._group])
        for summary in await store.summaries(Filter(groups=(self._group,))):
            types.setdefault(summary.kind.type, TypeFootprint()).dead += summary.count
        alive = {name for keys in self._shards for name in await self._alive(keys, await self.consumers(keys))}
        alive |= set(await self._foreign_consumers(group, types))
        return GroupFootprint(self._group, sorted(alive), {name: types[name] for name in sorted(types)})

    async def _foreign_consumers(self, group: GroupStatus, types: Iterable[str]) -> list[str]:
        """The recently active consumers of a foreign group, which has no liveness keys."""
        if group.is_foreign is not True:
            return []
        streams = [keys.stream(name) for keys in self._shards for name in types]
        commands = [("XINFO", "CONSUMERS", stream, self._group) for stream in streams]
        replies = await execute_all(self._client, commands, raises=False)
        consumers = [pairs(flat) for reply in replies if not isinstance(reply, Exception) for flat in reply]
        return [info["name"].decode() for info in consumers if info["idle"] < status.ABANDONED_S * 1000]

    async def run(self, stopping: asyncio.Event | None = None, stepped: Stepped = ignored) -> bool:
        """Remove the group. Returns whether it is gone: `stopping` ends it between two steps. Raises FailedError when a
        consumer is alive, RedisError, OSError."""
        for keys in self._shards:
            consumers = await self.consumers(keys)
            async for stream in self._streams(keys):
                if stopping is not None and stopping.is_set():
                    return False
                await self.leave(keys, consumers, stream)
                stepped(stream.removeprefix(keys.stream("")), 0)
            while fingerprints := await self._some_fingerprints(keys):
                letters = [keys.dead_fingerprint(self._group, each) for each in fingerprints]
                fields = [(keys.dead_fingerprints(self._group), each) for each in fingerprints]
                counts = await execute_all(self._client, [("ZCARD", each) for each in letters])
                await self.drop(keys, consumers, letters, fields)
                stepped("", sum(counts))
        for keys in self._shards:
            # A concurrent replay or redrive may have written since the first pass; this step removes that too.
            own = await self._redelivered(keys)
            whole = [*self._whole(keys), *(keys.redelivery(name, self._group) for name in own)]
            fields = [*self._fields(keys), *await self._paused(keys), *await self._suspended(keys)]
            fields += [(keys.redeliveries, listed_as(name, self._group)) for name in own]
            await self.drop(keys, await self.consumers(keys), whole, fields)
            await self._client.execute_command("ZREM", keys.due, self._group)
            await self._client.execute_command("ZREM", keys.expiries, expiries.handover(self._group))
        return True

    def _whole(self, keys: Keys) -> list[str]:
        group = self._group
        return [
            keys.dead(group),
            keys.dead_data(group),
            keys.dead_fingerprints(group),
            keys.delayed(group),
            keys.delayed_data(group),
            keys.snoozed(group),
            keys.deaths(group),
            keys.recovered(group),
            keys.recovered_data(group),
            keys.consumers(group),
        ]

    def _fields(self, keys: Keys) -> list[tuple[str, str]]:
        hashes = (keys.patterns, keys.worked, keys.losses, keys.dropped, keys.discarded, keys.groups)
        return [(name, self._group) for name in hashes]

    async def _paused(self, keys: Keys) -> list[tuple[str, str]]:
        patterns = await pauses.fetch(self._client, [keys], self._group)
        return [(keys.paused, suspensions.field(self._group, pattern)) for pattern in patterns]

    async def _suspended(self, keys: Keys) -> list[tuple[str, str]]:
        if keys.suspended != suspensions.KEY:
            return []
        patterns = (await suspensions.fetch(self._client)).get(self._group, {})
        return [(keys.suspended, suspensions.field(self._group, pattern)) for pattern in patterns]

    async def _streams(self, keys: Keys) -> AsyncIterator[str]:
        """Every stream of the shard, including those of subscribed types that never had an event."""
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

    async def _redelivered(self, keys: Keys) -> list[str]:
        """The types that have redelivery streams, or may get one by a replay or redrive that runs just now."""
        commands = [("SMEMBERS", keys.types), ("SMEMBERS", keys.redeliveries)]
        types, listed = await execute_all(self._client, commands)
        return sorted({*map(bytes.decode, types), *redeliveries.read(listed).get(self._group, ())})

    async def leave(self, keys: Keys, consumers: Sequence[str], stream: str) -> None:
        """Remove the group from a stream, or its redelivery stream. Raises FailedError, RedisError, OSError."""
        if ":" in stream.removeprefix(keys.stream("")):
            name = stream.removeprefix(keys.stream("")).partition(":")[0]
            if stream == keys.redelivery(name, self._group):
                await self.drop(keys, consumers, [stream], [(keys.redeliveries, listed_as(name, self._group))])
            return
        call = scripts.Call(
            scripts.UNJOIN,
            (stream, keys.consumers(self._group), *self._liveness_keys(keys, consumers)),
            (self._group, BATCH, *consumers),
        )
        while (result := await scripts.run(self._client, call)) != 1:
            if result == -1:
                raise self._refusal(await self._alive(keys, await self.consumers(keys)))

    async def drop(
        self, keys: Keys, consumers: Sequence[str], whole: Sequence[str], fields: Sequence[tuple[str, str]]
    ) -> None:
        """Delete keys, and fields or members of others. Raises FailedError when one is alive, RedisError, OSError."""
        call = scripts.Call(
            scripts.FORGET,
            (keys.consumers(self._group), *self._liveness_keys(keys, consumers), *whole, *(key for key, _ in fields)),
            (len(consumers), *consumers, len(whole), *(field for _, field in fields)),
        )
        if not await scripts.run(self._client, call):
            raise self._refusal(await self._alive(keys, await self.consumers(keys)))

    def _refusal(self, alive: Sequence[str]) -> FailedError:
        return FailedError(refusal(self._group, alive) + "; run forget again to complete the removal")

    def _liveness_keys(self, keys: Keys, consumers: Sequence[str]) -> list[str]:
        """The liveness keys that must not exist. A spared consumer's is replaced by that of HANDOVER, never alive."""
        return [keys.alive(HANDOVER if name in self._spared else name) for name in consumers]

    async def consumers(self, keys: Keys) -> list[str]:
        """The consumers registered in a shard."""
        names = await self._client.execute_command("HKEYS", keys.consumers(self._group))
        return [name.decode() for name in names]

    async def _alive(self, keys: Keys, names: Sequence[str]) -> list[str]:
        alive = await execute_all(self._client, [("EXISTS", keys.alive(name)) for name in names])
        return [
            name
            for name, is_alive in zip(names, alive, strict=True)
            if is_alive and name != HANDOVER and name not in self._spared
        ]

    async def _some_fingerprints(self, keys: Keys) -> list[str]:
        key = keys.dead_fingerprints(self._group)
        names = await self._client.execute_command("HRANDFIELD", key, BATCH)
        return [name.decode() for name in names]

    async def _delayed(self) -> Counter[str]:
        """Count parked retries by type."""
        counts: Counter[str] = Counter()
        for keys in self._shards:
            first = 0
            while names := await self._client.execute_command(
                "ZRANGE", keys.delayed(self._group), first, first + MAX_COMMANDS - 1
            ):
                counts.update(type_of_member(name.decode()) for name in names)
                first += len(names)
        return counts


def refusal(group: str, alive: Sequence[str]) -> str:
    """The message that refuses to forget a group."""
    names = ", ".join(alive) or "a worker that just started"
    return f"group {group} has live consumers: {names}; stop them first (a killed one counts as alive for 10 s)"

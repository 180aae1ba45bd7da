"""Removes the deliveries and dead letters of one type from a group that does not subscribe to it any more.

The group's workers may keep running as long as none of them reads the type; otherwise it refuses. It works in steps as
`forget` does: after a kill, run it again.
"""

import asyncio
from collections.abc import Iterator, Sequence

from ...shared.command import FailedError
from ...shared.connection import Redis
from ...shared.keys import HANDOVER, Keys, listed_as
from ...shared.patterns import patterns_of
from ...shared.pipelined import execute_all
from ..api.delivery import type_of_member
from ..dlq import possible
from ..dlq.bulk import BATCH
from ..dlq.filter import Filter
from ..dlq.moves import Moves
from ..dlq.query import DeadLetters
from ..inventory import registry
from ..inventory.lag import pairs
from ..inventory.readers import registration
from .forget import GroupDeletion, GroupFootprint, Stepped, ignored


class TypeDeletion:
    """Removes one type of one group in all shards."""

    def __init__(
        self, client: Redis, shards: Sequence[Keys], group: str, event_type: str, deletion: GroupDeletion
    ) -> None:
        self._client = client
        self._shards = shards
        self._group = group
        self._type = event_type
        self._deletion = deletion

    @classmethod
    async def open(cls, client: Redis, configured_shards: int, group: str, event_type: str) -> "TypeDeletion":
        """Raises FailedError for an unknown group or type or a subscribed type, ConfigError, RedisError, OSError."""
        store = await DeadLetters.open(client, configured_shards)
        store.require(group)
        await possible.require(client, store, [event_type])
        subscribed = (await registry.patterns(client, store.shards)).get(group, frozenset())
        if not subscribed or not subscribed.isdisjoint(patterns_of(event_type)):
            reason = f"subscribes to {event_type}" if subscribed else "has not published its subscriptions"
            raise FailedError(f"group {group} {reason}: start its workers without {event_type} first")
        replies = await execute_all(client, [("HGETALL", keys.consumers(group)) for keys in store.shards])
        consumers = [(name, registration(info)) for flat in replies for name, info in pairs(flat).items()]
        spared = frozenset(name for name, reader in consumers if name != HANDOVER and not reader.reads(event_type))
        return cls(client, store.shards, group, event_type, GroupDeletion(client, store.shards, group, spared))

    async def fetch(self) -> GroupFootprint:
        """Count what `run` would remove; `alive` are consumers that may read the type. Raises RedisError, OSError."""
        footprint = await self._deletion.fetch()
        types = {name: counts for name, counts in footprint.types.items() if name == self._type}
        return GroupFootprint(self._group, footprint.alive, types)

    async def run(self, stopping: asyncio.Event | None = None, stepped: Stepped = ignored) -> bool:
        """Remove it. Returns whether it is gone: `stopping` ends it between two steps. Raises FailedError when a
        consumer that may read the type is alive, RedisError, OSError."""
        for keys in self._shards:
            if stopping is not None and stopping.is_set():
                return False
            consumers = await self._deletion.consumers(keys)
            await self._deletion.leave(keys, consumers, keys.stream(self._type))
            own = keys.redelivery(self._type, self._group)
            listed = (keys.redeliveries, listed_as(self._type, self._group))
            await self._deletion.drop(keys, consumers, [own], [listed, (keys.left, f"{self._type}|{self._group}")])
            await self._drop_parked(keys)
            stepped(self._type, 0)
        store = DeadLetters(self._client, self._shards, [self._group])
        moves = Moves(self._client, self._shards)
        async for letters in store.walk(Filter(groups=(self._group,), types=(self._type,)), BATCH):
            if stopping is not None and stopping.is_set():
                return False
            for result in await moves.discard(letters):
                if isinstance(result, Exception):
                    raise result
            stepped("", len(letters))
        return True

    async def _drop_parked(self, keys: Keys) -> None:
        """Delete index and data of each retry together: one promoted meanwhile is delivered whole, or is gone."""
        delayed, data, deaths = keys.delayed(self._group), keys.delayed_data(self._group), keys.deaths(self._group)
        for names in _batches(await self._client.execute_command("ZRANGE", delayed, 0, -1), self._type):
            pipeline = self._client.pipeline(transaction=True)
            pipeline.execute_command("ZREM", delayed, *names)
            pipeline.execute_command("HDEL", data, *names)
            pipeline.execute_command("ZREM", keys.snoozed(self._group), *names)
            await pipeline.execute()
        for names in _batches(await self._client.execute_command("HKEYS", deaths), self._type):
            await self._client.execute_command("HDEL", deaths, *names)


def _batches(members: Sequence[bytes], event_type: str) -> Iterator[list[bytes]]:
    """Yield the members of a type in batches of at most BATCH."""
    names = [member for member in members if type_of_member(member.decode()) == event_type]
    for first in range(0, len(names), BATCH):
        yield names[first : first + BATCH]

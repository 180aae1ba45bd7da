"""Removes what a group has of one type that it does not subscribe to any more: what waits for a handler that is gone.

Its workers may go on, as none of them reads the type; else it refuses. Step by step, as `forget` does: whoever is
killed before the end begins again.
"""

from collections.abc import Iterator, Sequence

from ...shared.command import FailedError
from ...shared.connection import Redis
from ...shared.keys import HANDOVER, Keys
from ..api.delivery import type_of_member
from ..dlq.bulk import BATCH
from ..dlq.moves import Moves
from ..dlq.query import DeadLetters, Filter
from ..inventory import registry
from ..inventory.lag import pairs
from ..inventory.readers import registration
from ..inventory.registry import execute_all
from ..pipeline.routes import patterns_of
from .forget import GroupDeletion, GroupFootprint


class TypeDeletion:
    """One type of one group in all shards."""

    def __init__(
        self, client: Redis, shards: Sequence[Keys], group: str, event_type: str, whole: GroupDeletion
    ) -> None:
        self._client = client
        self._shards = shards
        self._group = group
        self._type = event_type
        self._whole = whole

    @classmethod
    async def open(cls, client: Redis, configured_shards: int, group: str, event_type: str) -> "TypeDeletion":
        """Raises FailedError for no group or one that subscribes to the type, ConfigError, RedisError, OSError."""
        store = await DeadLetters.open(client, configured_shards)
        store.require(group)
        told = (await registry.patterns(client, store.shards)).get(group, frozenset())
        if not told or not told.isdisjoint(patterns_of(event_type)):
            reason = "subscribes to it" if told else "has not said what it subscribes to"
            raise FailedError(f"group {group} {reason}: start its workers without {event_type} first")
        replies = await execute_all(client, [("HGETALL", keys.consumers(group)) for keys in store.shards])
        known = [(name, registration(info)) for flat in replies for name, info in pairs(flat).items()]
        spared = frozenset(name for name, said in known if name != HANDOVER and not said.reads(event_type))
        return cls(client, store.shards, group, event_type, GroupDeletion(client, store.shards, group, spared))

    async def fetch(self) -> GroupFootprint:
        """What would be removed; `alive` are consumers that may read it. Raises RedisError, OSError."""
        found = await self._whole.fetch()
        types = {name: counts for name, counts in found.types.items() if name == self._type}
        return GroupFootprint(self._group, found.alive, types)

    async def run(self) -> None:
        """Remove it all. Raises FailedError when a consumer that may read it lives, RedisError, OSError."""
        for keys in self._shards:
            known = await self._whole.consumers(keys)
            await self._whole.leave(keys, known, keys.stream(self._type))
            own = keys.redelivery(self._type, self._group)
            await self._whole.drop(keys, known, [own], [(keys.left, f"{self._type}|{self._group}")])
            await self._drop_parked(keys)
        store = DeadLetters(self._client, self._shards, [self._group])
        moves = Moves(self._client, self._shards)
        async for letters in store.walk(Filter(groups=(self._group,), types=(self._type,)), BATCH):
            for result in await moves.discard(letters):
                if isinstance(result, Exception):
                    raise result

    async def _drop_parked(self, keys: Keys) -> None:
        """Both halves of each go together, so that one which is promoted meanwhile goes round, or is gone."""
        delayed, data, deaths = keys.delayed(self._group), keys.delayed_data(self._group), keys.deaths(self._group)
        for names in _batches(await self._client.execute_command("ZRANGE", delayed, 0, -1), self._type):
            pipeline = self._client.pipeline(transaction=True)
            pipeline.execute_command("ZREM", delayed, *names)
            pipeline.execute_command("HDEL", data, *names)
            await pipeline.execute()
        for names in _batches(await self._client.execute_command("HKEYS", deaths), self._type):
            await self._client.execute_command("HDEL", deaths, *names)


def _batches(members: Sequence[bytes], event_type: str) -> Iterator[list[bytes]]:
    """The members of a type, as many as one command should take."""
    names = [member for member in members if type_of_member(member.decode()) == event_type]
    for first in range(0, len(names), BATCH):
        yield names[first : first + BATCH]

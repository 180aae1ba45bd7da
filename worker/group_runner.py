"""Runs one group in one shard for one process: its membership of the streams, its subscriptions, its duties."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..shared import scripts
from ..shared.keys import Keys
from ..shared.patterns import matches
from .consumer import Consumer
from .crew import Duty
from .duties.circuits import Circuits
from .duties.look import Lookout
from .duties.membership import Discovery, Membership
from .duties.paused import Pauses
from .duties.position import Positions
from .duties.promote import Promoter
from .duties.retire import retire
from .duties.takeover import Takeover
from .pipeline.group_context import GroupContext
from .pipeline.handover import release_all
from .pipeline.read import Reader
from .pipeline.routes import Group, Route, known_types
from .pipeline.subscriber import Subscriber
from .pipeline.unusable_keys import UnusableKeys
from .quarantine.quarantine import Quarantine


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessContext:
    """Shared by all groups of one process."""

    consumer: Consumer
    quarantine: Quarantine
    circuits: Circuits
    lookouts: Mapping[Keys, Lookout]
    subscribers: Mapping[Route, Subscriber]
    unusable_keys: UnusableKeys

    def at(self, keys: Keys, group: str) -> GroupContext:
        """That of one group in one shard."""
        return GroupContext(
            client=self.consumer.client,
            keys=keys,
            group=group,
            consumer=self.consumer.name,
            unusable_keys=self.unusable_keys,
            stopping=self.consumer.stopping,
        )


class GroupRunner:
    """Reads one shard of the group's streams, for all subscriptions with one reader."""

    def __init__(self, group: Group, keys: Keys, process: ProcessContext) -> None:
        self._group = group
        self._process = process
        self._here = here = process.at(keys, group.name)
        self._membership = Membership(here, group.start, [route.pattern for route in group.routes])
        self._connection = process.consumer.reading_connection()
        self.reader = Reader(
            here,
            connection=self._connection,
            subscriber_of=self._subscriber_of,
            lost=self._membership.join,
            relist=self._membership.relist,
        )
        # So that the first event of these need not be discovered.
        self.reader.add(*filter(self._concerns, (route.pattern for route in group.routes if "*" not in route.pattern)))
        self._lookout = process.lookouts[keys]
        self._pauses = Pauses(here, self._lookout, self.reader)
        self._takeover = Takeover(
            here,
            lookout=self._lookout,
            quarantine=process.quarantine,
            reader=self.reader,
            subscribers=[process.subscribers[route] for route in group.routes],
            liveness=process.consumer.liveness,
        )
        self.promoter = Promoter(here, self._lookout, self.reader.open)

    def duties(self) -> list[Duty]:
        """The duties of the group."""
        discovery = Discovery(self._here, self._lookout, self._add_types, self.reader.open)
        positions = Positions(self._here, self._lookout, self._membership)
        return [self.reader, self.promoter, self._pauses, self._takeover, discovery, positions]

    async def join(self) -> None:
        """Create the group where it is missing, and apply its pauses, as of the last look. Raises RedisError, OSError;
        can be repeated."""
        stored = [name for name in sorted(self._lookout.last.types) if self._concerns(name)]
        # Usually in one batch, so that a new group starts at the same moment on all streams.
        known = filter(self._concerns, known_types(self._group))
        await self._membership.join(dict.fromkeys((*known, *stored)))
        await self._subscribe(self._unread(stored))
        await self._pauses.apply(self._lookout.last)

    async def release(self) -> int:
        """Hand pending deliveries over to the other consumers. Returns how many. Raises RedisError, OSError."""
        here = self._here
        return await release_all(here.client, list(self.reader.streams.all), here.group, here.consumer)

    async def leave(self) -> None:
        """Remove the consumer from the group, after its liveness key is deleted. Raises RedisError, OSError."""
        here = self._here
        call = retire(here.keys, here.group, here.consumer, list(self.reader.streams.all))
        await scripts.run(here.client, call)

    async def close(self) -> None:
        """Close the reader's connection."""
        await self._connection.aclose()

    def _subscriber_of(self, event_type: str) -> Subscriber:
        route = self._group.route(event_type)
        assert route is not None
        return self._process.subscribers[route]

    def _concerns(self, event_type: str) -> bool:
        only = self._process.consumer.only
        return self._group.route(event_type) is not None and (not only or matches(only, event_type))

    async def _add_types(self, types: Sequence[str]) -> None:
        """Subscribe to new types that concern the group and this process."""
        new = self._unread(filter(self._concerns, types))
        if new:
            await self._membership.join(new)
            await self._subscribe(new)

    def _unread(self, types: Iterable[str]) -> list[str]:
        read = set(self.reader.streams.types)
        return [name for name in types if name not in read]

    async def _subscribe(self, types: Sequence[str]) -> None:
        self.reader.add(*types)
        await self.reader.wake()

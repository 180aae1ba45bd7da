"""Runs one group in one shard for one process: its membership of the streams, its subscriptions, its duties."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..shared import scripts
from ..shared.address import Address
from ..shared.connection import Redis, connect, refusal_code
from ..shared.keys import Keys
from ..shared.patterns import matches
from ..shared.raw_connection import RawConnection
from .crew import Duty
from .duties.circuits import Circuits
from .duties.heartbeat import Liveness
from .duties.look import Lookout
from .duties.membership import Discovery, Membership
from .duties.paused import Pauses
from .duties.position import Positions
from .duties.promote import Promoter
from .duties.takeover import Takeover, retire
from .pipeline.handover import release
from .pipeline.read import REPLY_TIMEOUT_S, Reader
from .pipeline.routes import Group, Route, known_types
from .pipeline.settle import OutcomeWriter
from .pipeline.subscriber import Subscriber
from .pipeline.unusable_keys import UnusableKeys, is_of_one_key
from .quarantine.quarantine import Quarantine

RELEASED_AT_ONCE: Final = 1000
"""More than any subscription has in flight by default; a release of more takes several calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessContext:
    """Shared by all groups of one process. `only` is a pattern that limits the types, "" for no limit."""

    address: Address
    consumer: str
    only: str
    control: Redis
    outcome_writer: OutcomeWriter
    quarantine: Quarantine
    liveness: Liveness
    circuits: Circuits
    lookouts: Mapping[Keys, Lookout]
    subscribers: Mapping[Route, Subscriber]
    unusable_keys: UnusableKeys
    stopping: asyncio.Event


class GroupRunner:
    """Reads one shard of the group's streams, for all subscriptions with one reader."""

    def __init__(self, group: Group, keys: Keys, process: ProcessContext) -> None:
        self._group = group
        self._keys = keys
        self._process = process
        self._membership = Membership(
            process.control,
            keys,
            group.name,
            group.start,
            patterns=[route.pattern for route in group.routes],
            unusable_keys=process.unusable_keys,
        )
        name = f"hookbus-worker:read:{process.consumer}"
        self._connection = RawConnection(connect(process.address, name, reply_timeout_s=REPLY_TIMEOUT_S, has_term=True))
        self.reader = self._reader()
        # So that the first event of these need not be discovered.
        self.reader.add(*filter(self._concerns, (route.pattern for route in group.routes if "*" not in route.pattern)))
        self._lookout = process.lookouts[keys]
        self._pauses = Pauses(self._lookout, group.name, self.reader, process.stopping)
        self._takeover = self._taking_over()
        self.promoter = Promoter(
            process.control, self._lookout, keys, group.name, process.unusable_keys, process.stopping
        )

    def duties(self) -> list[Duty]:
        """The duties of the group."""
        process = self._process
        discovery = Discovery(self._lookout, process.stopping, self._add_types)
        positions = Positions(process.control, self._keys, self._group.name, self._membership, process.stopping)
        return [self.reader, self.promoter, self._pauses, self._takeover, discovery, positions]

    def stop(self) -> None:
        """End the waits of its duties, once stopping; but not its read."""
        self.promoter.stop()
        self._takeover.stop()

    async def join(self) -> None:
        """Create the group where it is missing, and apply its pauses, as of the last look. Raises RedisError, OSError;
        can be repeated."""
        stored = [name for name in sorted(self._lookout.last.types) if self._concerns(name)]
        # Usually in one batch, so that a new group starts at the same moment on all streams.
        await self._membership.join(dict.fromkeys((*self._types(), *stored)))
        await self._subscribe(self._unread(stored))
        await self._pauses.apply()

    async def release(self) -> int:
        """Hand pending deliveries over to the other consumers. Returns how many. Raises RedisError, OSError.

        To be called after the last read, and while the liveness key of this process exists: without the key the others
        would take them over as those of a dead consumer, which counts as a suspicion.
        """
        group, consumer = self._group.name, self._process.consumer
        released, streams = 0, list(self.reader.sources)
        while streams:
            calls = [release(stream, group, consumer, RELEASED_AT_ONCE) for stream in streams]
            results = await scripts.run_all(self._process.control, calls)
            for result in results:
                if isinstance(result, Exception) and refusal_code(result) != "NOGROUP" and not is_of_one_key(result):
                    raise result
            released += sum(result for result in results if isinstance(result, int))
            streams = [stream for stream, result in zip(streams, results, strict=True) if result == RELEASED_AT_ONCE]
        return released

    async def leave(self) -> None:
        """Remove the consumer from the group, after its liveness key is deleted. Raises RedisError, OSError."""
        call = retire(self._keys, self._group.name, self._process.consumer, list(self.reader.sources))
        await scripts.run(self._process.control, call)

    async def close(self) -> None:
        """Close the reader's connection."""
        await self._connection.aclose()

    def _reader(self) -> Reader:
        process = self._process
        return Reader(
            connection=self._connection,
            control=process.control,
            keys=self._keys,
            group=self._group.name,
            consumer=process.consumer,
            subscriber_of=self._subscriber_of,
            lost=self._membership.join,
            unusable_keys=process.unusable_keys,
            stopping=process.stopping,
        )

    def _taking_over(self) -> Takeover:
        process = self._process
        return Takeover(
            client=process.control,
            keys=self._keys,
            group=self._group.name,
            consumer=process.consumer,
            membership=self._membership,
            quarantine=process.quarantine,
            reader=self.reader,
            subscribers=[process.subscribers[route] for route in self._group.routes],
            liveness=process.liveness,
            unusable_keys=process.unusable_keys,
            stopping=process.stopping,
        )

    def _subscriber_of(self, event_type: str) -> Subscriber:
        route = self._group.route(event_type)
        assert route is not None
        return self._process.subscribers[route]

    def _types(self) -> list[str]:
        return [name for name in known_types(self._group) if self._concerns(name)]

    def _concerns(self, event_type: str) -> bool:
        only = self._process.only
        return self._group.route(event_type) is not None and (not only or matches(only, event_type))

    async def _add_types(self, types: Sequence[str]) -> None:
        """Subscribe to new types that concern the group and this process."""
        new = self._unread(filter(self._concerns, types))
        if new:
            await self._membership.join(new)
            await self._subscribe(new)

    def _unread(self, types: Iterable[str]) -> list[str]:
        read = set(self.reader.types)
        return [name for name in types if name not in read]

    async def _subscribe(self, types: Sequence[str]) -> None:
        self.reader.add(*types, paused=filter(self._pauses.covers, types))
        await self.reader.wake()

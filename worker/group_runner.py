"""Runs one group in one shard for one process: its membership of the streams, its subscriptions, its duties."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..shared import keys as names
from ..shared import scripts
from ..shared.address import Address
from ..shared.connection import Redis, connect, refusal_code
from ..shared.keys import Keys
from ..shared.raw_connection import RawConnection
from .api.delivery import InFlight
from .crew import Duty
from .duties.circuits import Circuits
from .duties.heartbeat import Liveness
from .duties.look import Lookout
from .duties.membership import Discovery, Membership
from .duties.paused import Pauses
from .duties.position import Positions
from .duties.promote import Promoter
from .duties.takeover import Takeover, retire
from .pipeline.process import Caller
from .pipeline.read import REPLY_TIMEOUT_S, Reader
from .pipeline.routes import Group, Route, known_types, matches
from .pipeline.settle import OutcomeWriter
from .pipeline.slots import Slots
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
    shards: int
    only: str
    control: Redis
    outcome_writer: OutcomeWriter
    quarantine: Quarantine
    liveness: Liveness
    circuits: Circuits
    lookouts: Mapping[Keys, Lookout]
    unusable_keys: UnusableKeys
    stopping: asyncio.Event


class GroupRunner:
    """Reads one shard of the group's streams, each subscription with its own reader."""

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
        self._runtimes = {route: self._runtime(route) for route in group.routes}
        self._connections = [connection for _, _, connection in self._runtimes.values()]
        for reader, types in self._by_reader(self._types()).items():
            reader.add(*types)
        self._lookout = process.lookouts[keys]
        self._pauses = Pauses(self._lookout, group.name, self.readers, process.stopping)
        self.promoter = Promoter(
            process.control, self._lookout, keys, group.name, process.unusable_keys, process.stopping
        )

    @property
    def readers(self) -> list[Reader]:
        """The readers, one per subscription."""
        return [reader for reader, _, _ in self._runtimes.values()]

    @property
    def subscribers(self) -> list[Subscriber]:
        """The subscribers, one per subscription."""
        return [subscriber for _, subscriber, _ in self._runtimes.values()]

    def duties(self) -> list[Duty]:
        """The duties of the group."""
        process = self._process
        takeover = Takeover(
            client=process.control,
            keys=self._keys,
            group=self._group.name,
            consumer=process.consumer,
            membership=self._membership,
            quarantine=process.quarantine,
            runtimes=list(zip(self.readers, self.subscribers, strict=True)),
            liveness=process.liveness,
            unusable_keys=process.unusable_keys,
            stopping=process.stopping,
        )
        discovery = Discovery(self._lookout, process.stopping, self._add_types)
        positions = Positions(process.control, self._keys, self._group.name, self._membership, process.stopping)
        return [*self.readers, self.promoter, self._pauses, takeover, discovery, positions]

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
        released, streams = 0, self._streams()
        while streams:
            calls = [
                scripts.Call(
                    scripts.RELEASE,
                    (stream, self._keys.consumers(group)),
                    (group, consumer, names.HANDOVER, RELEASED_AT_ONCE),
                )
                for stream in streams
            ]
            results = await scripts.run_all(self._process.control, calls)
            for result in results:
                if isinstance(result, Exception) and refusal_code(result) != "NOGROUP" and not is_of_one_key(result):
                    raise result
            released += sum(result for result in results if isinstance(result, int))
            streams = [stream for stream, result in zip(streams, results, strict=True) if result == RELEASED_AT_ONCE]
        return released

    async def leave(self) -> None:
        """Remove the consumer from the group, after its liveness key is deleted. Raises RedisError, OSError."""
        call = retire(self._keys, self._group.name, self._process.consumer, self._streams())
        await scripts.run(self._process.control, call)

    def _streams(self) -> list[str]:
        return [stream for reader in self.readers for stream in reader.streams]

    async def close(self) -> None:
        """Close the readers' connections."""
        for connection in self._connections:
            await connection.aclose()

    def _runtime(self, route: Route) -> tuple[Reader, Subscriber, RawConnection]:
        process = self._process
        places = max(1, route.concurrency // process.shards)
        circuit = process.circuits.by_route[route]
        slots = Slots(places, circuit.circuit_gate)
        subscriber = Subscriber(
            route=route,
            keys=self._keys,
            caller=Caller(route, places),
            slots=slots,
            outcome_writer=process.outcome_writer,
            observe=circuit.observe,
        )
        name = f"hookbus-worker:read:{process.consumer}"
        connection = RawConnection(connect(process.address, name, reply_timeout_s=REPLY_TIMEOUT_S, has_term=True))
        return self._reader(route, connection, slots, subscriber), subscriber, connection

    def _reader(self, route: Route, connection: RawConnection, slots: Slots, subscriber: Subscriber) -> Reader:
        process = self._process

        def begin(in_flight: InFlight) -> None:
            process.quarantine.begin(in_flight, subscriber, self._keys, reader)

        reader = Reader(
            connection=connection,
            control=process.control,
            keys=self._keys,
            group=route.group,
            consumer=process.consumer,
            slots=slots,
            overdue=subscriber.overdue,
            begin=begin,
            lost=self._membership.join,
            unusable_keys=process.unusable_keys,
            stopping=process.stopping,
        )
        return reader

    def _types(self) -> list[str]:
        return [name for name in known_types(self._group) if self._concerns(name)]

    def _concerns(self, event_type: str) -> bool:
        only = self._process.only
        return self._group.route(event_type) is not None and (not only or matches(only, event_type))

    def _by_reader(self, types: Iterable[str]) -> dict[Reader, list[str]]:
        """Reader → those of the types that it reads."""
        types_by_reader: dict[Reader, list[str]] = {}
        for name in types:
            route = self._group.route(name)
            assert route is not None
            types_by_reader.setdefault(self._runtimes[route][0], []).append(name)
        return types_by_reader

    async def _add_types(self, types: Sequence[str]) -> None:
        """Subscribe to new types that concern the group and this process."""
        new = self._unread(filter(self._concerns, types))
        if new:
            await self._membership.join(new)
            await self._subscribe(new)

    def _unread(self, types: Iterable[str]) -> list[str]:
        read = {name for reader in self.readers for name in reader.types}
        return [name for name in types if name not in read]

    async def _subscribe(self, types: Sequence[str]) -> None:
        for reader, names_of_types in self._by_reader(types).items():
            reader.add(*names_of_types, paused=filter(self._pauses.covers, names_of_types))
            await reader.wake()

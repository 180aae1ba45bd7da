"""Runs suspects in a quarantine process, one at a time, as a worker runs its deliveries, and says how each ended.

A suspect is first moved to the name of this process (`quarantine.lua`), so that it is pending under that name if the
process dies.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Final

from ...shared import log, scripts
from ...shared.backoff import Reconnect
from ...shared.connection import FAULTS, Redis, refusal_code
from ...shared.keys import Keys
from ...shared.pause import pause
from ...shared.raw_connection import RawConnection
from ..api.delivery import UNKNOWN_TERM, InFlight
from ..pipeline.handover import release
from ..pipeline.in_flight import in_flight_of
from ..pipeline.outcome import Outcome
from ..pipeline.process import Caller
from ..pipeline.routes import Group
from ..pipeline.settle import OutcomeWriter
from ..pipeline.slots import Slots
from ..pipeline.subscriber import Subscriber
from ..pipeline.unusable_keys import is_of_one_key
from .messages import Answer, Order

POLL_S: Final = 0.1
"""Between two looks whether the process should stop while a suspect runs."""


class Judge:
    """The suspects of one quarantine process, which is `consumer`. At a stop one gets `grace_s` to end."""

    def __init__(
        self,
        *,
        client: Redis,
        write: RawConnection,
        consumer: str,
        groups: Mapping[str, Group],
        stopping: asyncio.Event,
        grace_s: float,
        write_grace_s: float,
    ) -> None:
        self._client = client
        self._consumer = consumer
        self._groups = groups
        self._stopping = stopping
        self._grace_s = grace_s
        self._write_grace_s = write_grace_s
        self.outcome_writer = OutcomeWriter(write, consumer, self._parked)
        self._subscribers: dict[tuple[str, str], Subscriber] = {}
        self._changed = asyncio.Event()
        self._used: dict[tuple[Keys, str], set[str]] = {}
        """Shard and group → the streams that suspects came from."""
        self._outcome: Outcome | None = None
        self._ended_s = 0.0
        self._due_ms = 0
        self._log = log.get("worker.quarantine")

    def has_leftovers(self) -> bool:
        """Whether a handler runs on after its attempt: the next suspect would not be alone."""
        return any(subscriber.has_leftovers() for subscriber in self._subscribers.values())

    def streams(self, keys: Keys, group: str) -> list[str]:
        """The streams that suspects of a group came from."""
        return sorted(self._used.get((keys, group), ()))

    async def judge(self, order: Order) -> Answer | None:
        """Run a suspect. None if it did not end before a stop: `release` hands it over."""
        in_flight = await self._claim(order)
        if in_flight is None:
            return Answer()
        subscriber = self._subscriber(order)
        began_s = time.monotonic()
        subscriber.begin(in_flight)
        while subscriber.slots.holds(in_flight) and not self._stopping.is_set():
            await pause(self._changed, POLL_S)
            self._changed.clear()
        if self._stopping.is_set():
            await subscriber.finish(self._grace_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._write_grace_s):
                    await self.outcome_writer.all_written()
        if subscriber.slots.holds(in_flight) or self._outcome is None:
            return None
        await self._acquit(order, in_flight)
        return Answer.of(self._outcome, self._ended_s - began_s, self._due_ms)

    async def release(self) -> None:
        """Hand over what did not end, which counts as no death. Raises RedisError, OSError."""
        for (_, group), streams in self._used.items():
            for stream in streams:
                await scripts.run(self._client, release(stream, group, self._consumer, 1))

    async def close(self, *, is_death: bool) -> None:
        """Start no more threads; at a death cancel what runs, without an outcome."""
        for subscriber in self._subscribers.values():
            if is_death:
                await subscriber.finish(0)
            subscriber.close()

    async def _claim(self, order: Order) -> InFlight | None:
        """Take a suspect over from the worker. None if it is not pending there any more."""
        self._outcome, self._due_ms = None, 0
        self._used.setdefault((Keys(order.shard), order.group), set()).add(order.stream)
        args = (order.group, order.owner, self._consumer, order.entry_id)
        call = scripts.Call(scripts.QUARANTINE, (order.stream,), args)
        reconnect = Reconnect()
        while not self._stopping.is_set():
            try:
                found = await scripts.run(self._client, call)
            except FAULTS as error:
                if is_of_one_key(error) or refusal_code(error) == "NOGROUP":
                    return None
                self._log.debug("claim_delayed", reason=str(error))
                await pause(self._stopping, reconnect.next_s())
            else:
                return _in_flight(order, *found) if found else None
        return None

    async def _acquit(self, order: Order, in_flight: InFlight) -> None:
        """Forget the deaths of a suspect that is settled."""
        if in_flight.deaths:
            with contextlib.suppress(*FAULTS):  # the entry is gone, so nothing reads the field any more
                deaths = Keys(order.shard).deaths(order.group)
                await self._client.execute_command("HDEL", deaths, in_flight.name)

    def _subscriber(self, order: Order) -> Subscriber:
        route = self._groups[order.group].route(order.type)
        assert route is not None  # the worker has the same apps
        name = order.group, route.pattern
        if name not in self._subscribers:
            slots = Slots(1)
            slots.subscribe(self._changed.set)
            self._subscribers[name] = Subscriber(
                route=route,
                caller=Caller(route, 1),
                slots=slots,
                outcome_writer=self.outcome_writer,
                observe=self._observe,
                stopping=self._stopping,
            )
        return self._subscribers[name]

    def _observe(self, outcome: Outcome, _event_type: str) -> None:
        self._outcome, self._ended_s = outcome, time.monotonic()

    def _parked(self, _keys: Keys, _group: str, due_ms: int) -> None:
        self._due_ms = due_ms


def _in_flight(order: Order, times_delivered: int, fields: list[bytes]) -> InFlight:
    return in_flight_of(
        order.stream,
        order.type,
        order.is_own_stream,
        order.group,
        order.entry_id.encode(),
        fields,
        term=UNKNOWN_TERM,  # the client has many connections
        times_delivered=times_delivered,
        deaths=order.deaths,
    )

"""Runs suspects in a quarantine process, one at a time, as a worker runs its deliveries, and says how each ended.

A suspect is first moved to the name of this process (`quarantine.lua`), so that it is pending under that name if the
process dies.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Final

from ...shared import keys, log, scripts
from ...shared.backoff import Reconnect
from ...shared.connection import FAULTS, Redis, refusal_code
from ...shared.keys import Keys
from ...shared.pause import pause
from ..api.delivery import UNKNOWN_TERM, InFlight
from ..pipeline.handover import release_all
from ..pipeline.outcome import Outcome
from ..pipeline.process import Caller
from ..pipeline.read_streams import ReadStream
from ..pipeline.routes import Group, Route
from ..pipeline.settle import OutcomeWriter
from ..pipeline.slots import Slots
from ..pipeline.subscriber import Subscriber
from ..pipeline.unusable_keys import is_of_one_key
from .messages import Answer, Order

POLL_S: Final = 0.1
"""Between two looks whether the process should stop while a suspect runs."""


class Judge:
    """The suspects of one quarantine process, which is `consumer`."""

    def __init__(
        self,
        *,
        client: Redis,
        consumer: str,
        groups: Sequence[Group],
        outcome_writer: OutcomeWriter,
        stopping: asyncio.Event,
    ) -> None:
        self._client = client
        self._consumer = consumer
        self._groups = {group.name: group for group in groups}
        self._outcome_writer = outcome_writer
        self._stopping = stopping
        self._changed = asyncio.Event()
        self._slots = Slots(1)
        self._slots.subscribe(self._changed.set)
        self._subscribers = {route: self._subscriber(route) for group in groups for route in group.routes}
        self._suspect: InFlight | None = None
        """The last one, until it is answered."""
        self._began_s = 0.0
        self._ended: tuple[Outcome, float] | None = None
        """How its attempt ended, and how many seconds it took."""
        self.streams: defaultdict[tuple[Keys, str], set[str]] = defaultdict(set)
        """Shard and group → the streams that suspects came from."""
        self._log = log.get("worker.quarantine")

    @property
    def subscribers(self) -> Collection[Subscriber]:
        """Those of all subscriptions; they share one slot."""
        return self._subscribers.values()

    def has_leftovers(self) -> bool:
        """Whether a handler runs on after its attempt: the next suspect would not be alone."""
        return any(subscriber.has_leftovers() for subscriber in self.subscribers)

    async def judge(self, order: Order) -> Answer | None:
        """Run a suspect until it is settled; None if a stop comes before that."""
        route = self._groups[order.group].route(order.type)
        assert route is not None  # the worker has the same apps
        subscriber = self._subscribers[route]
        stream = ReadStream(order.stream, order.type, is_own=order.is_own_stream, subscriber=subscriber)
        suspect = await self._claim(order, stream)
        if suspect is None:
            return Answer()
        self._suspect, self._ended, self._began_s = suspect, None, time.monotonic()
        subscriber.begin(suspect)
        while self._slots.holds(suspect) and not self._stopping.is_set():
            await pause(self._changed, POLL_S)
            self._changed.clear()
        await subscriber.reported()  # the next suspect must be alone
        return await self.answer()

    async def answer(self) -> Answer | None:
        """The answer about a suspect that is settled, once; None if it is not: `release` hands it over.

        An outcome that is not in Redis did not happen: another consumer owns the suspect, or it stays pending here.
        """
        suspect = self._suspect
        if suspect is None or self._ended is None or self._slots.holds(suspect):
            return None
        self._suspect = None
        if not self._slots.is_last_written:
            return Answer()
        if suspect.deaths:  # they are forgotten
            with contextlib.suppress(*FAULTS):  # the entry is gone, so nothing reads the field any more
                deaths = suspect.keys.deaths(suspect.delivery.group)
                await self._client.execute_command("HDEL", deaths, suspect.name)
        return Answer.of(*self._ended)

    async def release(self) -> int:
        """Hand over what did not end, which counts as no death. Returns how many. Raises RedisError, OSError."""
        used = [(list(streams), group) for (_, group), streams in self.streams.items()]
        return sum([await release_all(self._client, streams, group, self._consumer) for streams, group in used])

    async def _claim(self, order: Order, stream: ReadStream) -> InFlight | None:
        """Take a suspect over from the worker. None if it is not pending there any more."""
        self.streams[keys.of(order.stream), order.group].add(order.stream)
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
                if not found:
                    return None
                times_delivered, fields = found
                # The client has many connections: the term is that of any.
                return stream.in_flight(
                    order.entry_id.encode(),
                    fields,
                    UNKNOWN_TERM,
                    times_delivered=times_delivered,
                    deaths=order.deaths,
                )
        return None

    def _subscriber(self, route: Route) -> Subscriber:
        return Subscriber(
            route=route,
            caller=Caller(route, 1),
            slots=self._slots,
            outcome_writer=self._outcome_writer,
            observe=self._observe,
            stopping=self._stopping,
        )

    def _observe(self, outcome: Outcome, _event_type: str) -> None:
        self._ended = outcome, time.monotonic() - self._began_s

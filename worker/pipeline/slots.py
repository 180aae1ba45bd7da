"""The slots of one subscription in one process: how many deliveries run, and which are in flight.

In flight means running, or settled with the outcome not yet in Redis. The reader must skip these when it reads its own
pending entries again after a lost connection.
"""

import asyncio
from collections.abc import Container
from typing import Final

from ..api.delivery import InFlight

MAX_DEFERRED: Final = 1000
"""As many own pending entries as a reader requests at once."""

DeliveryId = tuple[str, bytes]
"""Stream key and entry id."""


class _Notifier:
    """Sets the events of its subscribers."""

    def __init__(self) -> None:
        self._changed: list[asyncio.Event] = []

    def subscribe(self, changed: asyncio.Event) -> None:
        """Set an event whenever more deliveries may begin than before."""
        self._changed.append(changed)

    def _notify_all(self) -> None:
        for changed in self._changed:
            changed.set()


class CircuitGate(_Notifier):
    """Limits the deliveries of one subscription, in all its shards, to those that its circuit breaker admits.

    No limit at first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.places: int | None = None
        """How many more deliveries may begin; None for no limit."""

    @property
    def is_blocked(self) -> bool:
        """Whether the breaker is open and limits this subscription."""
        return self.places is not None

    def set(self, places: int | None) -> None:
        """Admit so many deliveries, None for no limit."""
        self.places = places
        self._notify_all()

    def take(self) -> None:
        """A delivery begins."""
        if self.places:
            self.places -= 1


class Gate(_Notifier):
    """Closed while a suspect runs alone: no other delivery of the process begins. Counts the running ones."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = True
        self._empty = asyncio.Event()
        self._empty.set()
        self._inside = 0

    def enter(self) -> None:
        """A delivery begins."""
        self._inside += 1
        self._empty.clear()

    def leave(self) -> None:
        """A delivery has ended."""
        self._inside -= 1
        if self._inside == 0:
            self._empty.set()

    async def close(self, patience_s: float) -> bool:
        """Admit no more deliveries. True if all running ones ended within `patience_s`."""
        self.is_open = False
        try:
            async with asyncio.timeout(patience_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    def open(self) -> None:
        """Admit deliveries again."""
        self.is_open = True
        self._notify_all()


class Slots:
    """`concurrency` slots, limited by the circuit gate of the subscription and the gate of the process."""

    def __init__(self, concurrency: int, circuit_gate: CircuitGate | None = None, gate: Gate | None = None) -> None:
        self._concurrency = concurrency
        self._circuit_gate = circuit_gate or CircuitGate()
        self._gate = gate or Gate()
        self._in_flight: dict[DeliveryId, InFlight] = {}
        self._deferred: set[DeliveryId] = set()
        self.changed = asyncio.Event()
        """Set when a delivery has ended or was settled, or one of the gates has changed; the waiter clears it."""
        self._circuit_gate.subscribe(self.changed)
        self._gate.subscribe(self.changed)
        self.running = 0

    def free(self, overdue: int = 0) -> int:
        """Slots for new deliveries; `overdue` handlers keep theirs. Unwritten outcomes may take as many again."""
        if not self._gate.is_open:
            return 0
        free = min(self._concurrency - self.running - overdue, 2 * self._concurrency - len(self._in_flight))
        return free if self._circuit_gate.places is None else min(free, self._circuit_gate.places)

    def find(self, delivery_id: DeliveryId) -> InFlight | None:
        """The delivery in flight with an entry id: of two events, the one that was read later."""
        return self._in_flight.get(delivery_id)

    def holds(self, in_flight: InFlight) -> bool:
        """Whether a delivery is in flight."""
        held = self.find((in_flight.stream, in_flight.entry_id))
        return held is not None and held.is_same_event(in_flight)

    def take(self, in_flight: InFlight) -> None:
        """Give a delivery a slot."""
        self._in_flight[in_flight.stream, in_flight.entry_id] = in_flight
        self.running += 1

    @property
    def is_admitted(self) -> bool:
        """Whether the circuit gate admits a delivery that has a slot."""
        return self._circuit_gate.places != 0

    def begin(self) -> None:
        """A delivery that has a slot begins."""
        self._circuit_gate.take()

    def return_slot(self, in_flight: InFlight) -> None:
        """A delivery that has a slot does not begin: it stays pending and is no longer in flight."""
        self._forget(in_flight)
        self.leave()

    def leave(self) -> None:
        """The attempt of a delivery has ended."""
        self.running -= 1
        self.changed.set()

    def settled(self, in_flight: InFlight) -> None:
        """The outcome of a delivery is in Redis."""
        self._forget(in_flight)
        self._deferred.discard((in_flight.stream, in_flight.entry_id))
        self.changed.set()

    def defer(self, in_flight: InFlight) -> None:
        """The outcome of a delivery cannot be written and is dropped: it stays pending and is no longer in flight."""
        self._forget(in_flight)
        self._deferred.add((in_flight.stream, in_flight.entry_id))
        self.changed.set()

    def may_read_on(self) -> bool:
        """Whether new deliveries may be read: not while too many are deferred, as pending entries take memory too."""
        return len(self._deferred) < MAX_DEFERRED

    def keep_deferred(self, pending: Container[DeliveryId]) -> None:
        """Keep only deferred deliveries that are still pending: others vanished with their stream, or were claimed."""
        self._deferred = {delivery_id for delivery_id in self._deferred if delivery_id in pending}

    def _forget(self, in_flight: InFlight) -> None:
        delivery_id = (in_flight.stream, in_flight.entry_id)
        held = self._in_flight.get(delivery_id)
        if held is not None and held.is_same_event(in_flight):
            del self._in_flight[delivery_id]

"""The slots of one subscription in one process: how many deliveries run, and which are in flight.

In flight means running, in quarantine, or settled with the outcome not yet in Redis. The reader must skip these when it
reads its own pending entries again after a lost connection.
"""

import asyncio
from collections.abc import Container
from typing import Final

from ..api.delivery import InFlight

MAX_DEFERRED: Final = 1000
"""As many own pending entries as a reader requests at once."""

DeliveryId = tuple[str, bytes]
"""Stream key and entry id."""


class CircuitGate:
    """Limits the deliveries of one subscription, in all its shards, to those that its circuit breaker admits.

    No limit at first.
    """

    def __init__(self) -> None:
        self.places: int | None = None
        """How many more deliveries may begin; None for no limit."""
        self._changed: list[asyncio.Event] = []

    def subscribe(self, changed: asyncio.Event) -> None:
        """Set an event whenever more deliveries may begin than before."""
        self._changed.append(changed)

    @property
    def is_blocked(self) -> bool:
        """Whether the breaker is open and limits this subscription."""
        return self.places is not None

    def set(self, places: int | None) -> None:
        """Admit so many deliveries, None for no limit."""
        self.places = places
        for changed in self._changed:
            changed.set()

    def take(self) -> None:
        """A delivery begins."""
        if self.places:
            self.places -= 1


class Slots:
    """`concurrency` slots, limited by the circuit gate of the subscription."""

    def __init__(self, concurrency: int, circuit_gate: CircuitGate | None = None) -> None:
        self._concurrency = concurrency
        self._circuit_gate = circuit_gate or CircuitGate()
        self._in_flight: dict[DeliveryId, InFlight] = {}
        self._quarantined: dict[DeliveryId, InFlight] = {}
        self._deferred: set[DeliveryId] = set()
        self.changed = asyncio.Event()
        """Set when a delivery has ended or was settled, or the circuit gate has changed; the waiter clears it."""
        self._circuit_gate.subscribe(self.changed)
        self.running = 0

    def free(self, overdue: int = 0) -> int:
        """Slots for new deliveries; `overdue` handlers keep theirs. Unwritten outcomes may take as many again."""
        free = min(self._concurrency - self.running - overdue, 2 * self._concurrency - len(self._in_flight))
        return free if self._circuit_gate.places is None else min(free, self._circuit_gate.places)

    def find(self, delivery_id: DeliveryId) -> InFlight | None:
        """The delivery in flight with an entry id: of two events, the one that was read later."""
        return self._in_flight.get(delivery_id) or self._quarantined.get(delivery_id)

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
        """Whether the circuit gate admits another delivery."""
        return self._circuit_gate.places != 0

    def begin(self) -> None:
        """A delivery begins that has a slot here, or runs in quarantine."""
        self._circuit_gate.take()

    def quarantine(self, in_flight: InFlight) -> None:
        """A suspect waits for a quarantine process, or runs there: in flight, without a slot here."""
        self._quarantined[in_flight.stream, in_flight.entry_id] = in_flight

    def leave_quarantine(self, in_flight: InFlight) -> None:
        """A suspect is settled, or its quarantine process has ended."""
        delivery_id = (in_flight.stream, in_flight.entry_id)
        if self._quarantined.get(delivery_id) is in_flight:  # else it was taken over again meanwhile
            del self._quarantined[delivery_id]

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

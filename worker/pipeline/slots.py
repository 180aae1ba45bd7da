"""The slots of one subscription in one process: how many deliveries run, and which are in flight.

In flight means running, in quarantine, or settled with the outcome not yet in Redis. The reader must skip these when it
reads its own pending entries again after a lost connection.
"""

import asyncio
from collections.abc import Callable, Container
from typing import Final

from ..api.delivery import InFlight

MAX_DEFERRED: Final = 1000
"""As many own pending entries as a reader requests at once."""

DeliveryId = tuple[str, bytes]
"""Stream key and entry id."""


class _Notifier:
    """Calls its listeners, in the order in which they came: once in a turn of the event loop, and not for each delivery
    that ends and each that is settled.
    """

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []
        self._is_due = False

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call a listener whenever more deliveries may begin than before."""
        self._listeners.append(listener)

    def notify(self) -> None:
        """More deliveries may begin than before."""
        if self._listeners and not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self._is_due = False
        for listener in self._listeners:
            listener()


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
        self.notify()

    def take(self) -> None:
        """A delivery begins."""
        if self.places:
            self.places -= 1


class Slots(_Notifier):
    """`concurrency` slots, limited by the circuit gate of the subscription."""

    def __init__(self, concurrency: int, circuit_gate: CircuitGate | None = None) -> None:
        super().__init__()
        self._concurrency = concurrency
        self._circuit_gate = circuit_gate or CircuitGate()
        self._in_flight: dict[DeliveryId, InFlight] = {}
        self._quarantined: dict[DeliveryId, InFlight] = {}
        self._deferred: set[DeliveryId] = set()
        self._circuit_gate.subscribe(self.notify)
        self.running = 0
        self.is_last_written = False
        """Whether the last outcome that left here is in Redis."""

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
        self.notify()

    def leave(self) -> None:
        """The attempt of a delivery has ended."""
        self.running -= 1
        self.notify()

    def settled(self, in_flight: InFlight, *, is_written: bool = True) -> None:
        """The outcome of a delivery is in Redis; or it is discarded, as another consumer owns the delivery."""
        self.is_last_written = is_written
        self._forget(in_flight)
        self._deferred.discard((in_flight.stream, in_flight.entry_id))
        self.notify()

    def defer(self, in_flight: InFlight) -> None:
        """The outcome of a delivery cannot be written and is dropped: it stays pending and is no longer in flight."""
        self.is_last_written = False
        self._forget(in_flight)
        self._deferred.add((in_flight.stream, in_flight.entry_id))
        self.notify()

    @property
    def has_deferred(self) -> bool:
        """Whether deliveries are deferred."""
        return bool(self._deferred)

    def may_read_on(self) -> bool:
        """Whether new deliveries may be read: not while too many are deferred, as pending entries take memory too."""
        return len(self._deferred) < MAX_DEFERRED

    def keep_deferred(self, pending: Container[DeliveryId], streams: Container[str]) -> None:
        """Of the deferred deliveries of some streams, keep only those that are still pending.

        Others vanished with their stream, or were claimed.
        """
        self._deferred = {one for one in self._deferred if one in pending or one[0] not in streams}

    def _forget(self, in_flight: InFlight) -> None:
        delivery_id = (in_flight.stream, in_flight.entry_id)
        held = self._in_flight.get(delivery_id)
        if held is not None and held.is_same_event(in_flight):
            del self._in_flight[delivery_id]

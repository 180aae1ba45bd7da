"""The places of one subscription in one process: how many deliveries run, and which are in hand.

In hand means running, or settled with the outcome not yet in Redis. Reading one's own pending entries again after a
lost connection must leave those out.
"""

import asyncio
from collections.abc import Container
from typing import Final

from ..api.delivery import InFlight

MAX_DEFERRED: Final = 1000
"""As many as a reader looks for among its own pending entries at once."""

DeliveryId = tuple[str, bytes]
"""Stream key and entry id."""


class _Notifier:
    """Sets events of others when it moves."""

    def __init__(self) -> None:
        self._changed: list[asyncio.Event] = []

    def subscribe(self, changed: asyncio.Event) -> None:
        """Have an event set whenever more may begin than before."""
        self._changed.append(changed)

    def _notify_all(self) -> None:
        for changed in self._changed:
            changed.set()


class CircuitGate(_Notifier):
    """What a circuit breaker lets through of one subscription, in all its shards. Open at first."""

    def __init__(self) -> None:
        super().__init__()
        self.places: int | None = None
        """How many more deliveries may begin; None when it is open."""

    @property
    def is_blocked(self) -> bool:
        """Whether the breaker is open, and this therefore shut."""
        return self.places is not None

    def set(self, places: int | None) -> None:
        """Let so many through, None for all."""
        self.places = places
        self._notify_all()

    def take(self) -> None:
        """A delivery begins."""
        if self.places:
            self.places -= 1


class Gate(_Notifier):
    """Closed while a suspect runs alone: nothing else of the process begins then. Counts what runs."""

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
        """It has ended."""
        self._inside -= 1
        if self._inside == 0:
            self._empty.set()

    async def close(self, patience_s: float) -> bool:
        """Let nobody in any more; True when all went out within `patience_s`."""
        self.is_open = False
        try:
            async with asyncio.timeout(patience_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    def open(self) -> None:
        """Let the others in again."""
        self.is_open = True
        self._notify_all()


class Slots:
    """`concurrency` places, behind the valve of the subscription and the gate of the process."""

    def __init__(self, concurrency: int, circuit_gate: CircuitGate | None = None, gate: Gate | None = None) -> None:
        self._concurrency = concurrency
        self._circuit_gate = circuit_gate or CircuitGate()
        self._gate = gate or Gate()
        self._in_flight: dict[DeliveryId, InFlight] = {}
        self._deferred: set[DeliveryId] = set()
        self.changed = asyncio.Event()
        """Set when a delivery has ended or was settled, or valve or gate have moved; whoever waits clears it."""
        self._circuit_gate.subscribe(self.changed)
        self._gate.subscribe(self.changed)
        self.running = 0

    def free(self, overdue: int = 0) -> int:
        """Places for new deliveries; `overdue` threads keep theirs. Unwritten outcomes may fill as many again."""
        if not self._gate.is_open:
            return 0
        free = min(self._concurrency - self.running - overdue, 2 * self._concurrency - len(self._in_flight))
        return free if self._circuit_gate.places is None else min(free, self._circuit_gate.places)

    def find(self, delivery_id: DeliveryId) -> InFlight | None:
        """What is in hand under an entry id: of two events, the one that was read later."""
        return self._in_flight.get(delivery_id)

    def holds(self, in_flight: InFlight) -> bool:
        """Whether a delivery is in hand."""
        known = self.find((in_flight.stream, in_flight.entry_id))
        return known is not None and known.is_same_event(in_flight)

    def take(self, in_flight: InFlight) -> None:
        """A delivery gets a place."""
        self._in_flight[in_flight.stream, in_flight.entry_id] = in_flight
        self.running += 1

    @property
    def lets_through(self) -> bool:
        """Whether one that has a place may begin, as far as the breaker is concerned."""
        return self._circuit_gate.places != 0

    def begin(self) -> None:
        """One that has a place begins."""
        self._circuit_gate.take()

    def return_slot(self, in_flight: InFlight) -> None:
        """One that has a place does not begin, and is in nobody's hand."""
        self._forget(in_flight)
        self.leave()

    def leave(self) -> None:
        """Its attempt has ended."""
        self.running -= 1
        self.changed.set()

    def settled(self, in_flight: InFlight) -> None:
        """Its outcome is in Redis."""
        self._forget(in_flight)
        self._deferred.discard((in_flight.stream, in_flight.entry_id))
        self.changed.set()

    def defer(self, in_flight: InFlight) -> None:
        """Its outcome can't be written, and is given up: it is pending, and in nobody's hand."""
        self._forget(in_flight)
        self._deferred.add((in_flight.stream, in_flight.entry_id))
        self.changed.set()

    def may_read_on(self) -> bool:
        """Whether new deliveries may be read: not with too many put off, since what is pending takes memory too."""
        return len(self._deferred) < MAX_DEFERRED

    def keep_deferred(self, pending: Container[DeliveryId]) -> None:
        """Count those only that are pending still: others vanished with their stream, or went to another consumer."""
        self._deferred = {delivery_id for delivery_id in self._deferred if delivery_id in pending}

    def _forget(self, in_flight: InFlight) -> None:
        delivery_id = (in_flight.stream, in_flight.entry_id)
        known = self._in_flight.get(delivery_id)
        if known is not None and known.is_same_event(in_flight):
            del self._in_flight[delivery_id]

"""Deliveries of one subscription that were read or taken over, and have no place to begin."""

from collections.abc import Container, Iterable

from ..api.delivery import InFlight
from .slots import DeliveryId


class Surplus:
    """In the order in which they came. Times are those of `time.monotonic`."""

    def __init__(self) -> None:
        self._waiting: dict[DeliveryId, tuple[InFlight, float]] = {}
        self._leaving: dict[DeliveryId, InFlight] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, in_flight: InFlight, now_s: float) -> None:
        """A delivery waits from now on."""
        self._waiting[in_flight.stream, in_flight.entry_id] = in_flight, now_s

    def find(self, delivery_id: DeliveryId) -> InFlight | None:
        """The delivery with an entry id that waits, or is being given back."""
        return self._waiting.get(delivery_id, (None,))[0] or self._leaving.get(delivery_id)

    def pop(self, held_streams: Container[str]) -> InFlight | None:
        """The first one that is not of a held stream."""
        for delivery_id, (in_flight, _) in self._waiting.items():
            if in_flight.stream not in held_streams:
                del self._waiting[delivery_id]
                return in_flight
        return None

    def take_before(self, since_s: float) -> list[InFlight]:
        """All that wait since before a time: they do not begin any more. `forget` must follow."""
        late = [delivery_id for delivery_id, (_, at_s) in self._waiting.items() if at_s <= since_s]
        taken = {delivery_id: self._waiting.pop(delivery_id)[0] for delivery_id in late}
        self._leaving |= taken
        return list(taken.values())

    def forget(self, taken: Iterable[InFlight]) -> None:
        """These belong to other consumers, or are found again as own pending entries."""
        for in_flight in taken:
            self._leaving.pop((in_flight.stream, in_flight.entry_id), None)

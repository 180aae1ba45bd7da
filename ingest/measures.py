"""What the queues count of their group commits. Costs an event two look-ups and some additions."""

from collections.abc import Sequence

from ..shared.metrics import DOCUMENTED, OTHER
from ..shared.tally import Spread, Sum
from . import metrics
from .commit import Received


class Stored:
    """What was stored, by type, and how late it came, by source."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[Sum, Sum]] = {}
        self._late: dict[str, Spread] = {}

    def count(self, events: Sequence[Received], marks: bytes, seconds: float) -> None:
        """A batch is in Redis, after so many seconds; `marks` holds a `1` for each event that was new."""
        metrics.ENQUEUE_SECONDS.observe(seconds)
        for event, mark in zip(events, marks, strict=True):
            if mark == ord("1"):
                number, size_bytes = self._sums.get(event.event_type) or self._first_of(event.event_type)
                number.value += 1
                size_bytes.value += len(event.body)
                if event.late_ms is not None:
                    late = self._late.get(event.source) or self._late_of(event.source)
                    late.observe(event.late_ms / 1000)
        for source, at_ms in {event.source: event.at_ms for event in events}.items():
            metrics.LAST_EVENT.labels(source).set(at_ms / 1000)

    def _first_of(self, event_type: str) -> tuple[Sum, Sum]:
        label = event_type if event_type in DOCUMENTED else OTHER
        if label not in self._sums:
            self._sums[label] = metrics.STORED_EVENTS.labels(label), metrics.STORED_BYTES.labels(label)
        return self._sums[label]

    def _late_of(self, source: str) -> Spread:
        return self._late.setdefault(source, metrics.SENDER_LATE_SECONDS.labels(source))

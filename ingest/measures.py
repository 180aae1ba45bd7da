"""Counts the group commits of the queues. Costs two look-ups and some additions an event."""

from collections.abc import Sequence

from ..shared.fast_metrics import FastCounter, FastHistogram
from ..shared.metrics import DOCUMENTED, OTHER
from . import metrics
from .commit import Received


class Stored:
    """Counts stored events by type, and observes their delay by source."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[FastCounter, FastCounter]] = {}
        self._delays: dict[str, FastHistogram] = {}

    def count(self, events: Sequence[Received], marks: bytes, seconds: float) -> None:
        """Count a batch that Redis stored within `seconds`; `marks` holds `1` for each new event."""
        metrics.ENQUEUE_SECONDS.observe(seconds)
        for event, mark in zip(events, marks, strict=True):
            if mark == ord("1"):
                number, size_bytes = self._sums.get(event.event_type) or self._counters_of(event.event_type)
                number.value += 1
                size_bytes.value += len(event.body)
                if event.delay_ms is not None:
                    delay = self._delays.get(event.source) or self._delay_of(event.source)
                    delay.observe(event.delay_ms / 1000)
        for source, at_ms in {event.source: event.at_ms for event in events}.items():
            metrics.LAST_EVENT.labels(source).set(at_ms / 1000)

    def _counters_of(self, event_type: str) -> tuple[FastCounter, FastCounter]:
        label = event_type if event_type in DOCUMENTED else OTHER
        if label not in self._sums:
            self._sums[label] = metrics.STORED_EVENTS.labels(label), metrics.STORED_BYTES.labels(label)
        return self._sums[label]

    def _delay_of(self, source: str) -> FastHistogram:
        return self._delays.setdefault(source, metrics.SENDER_DELAY_SECONDS.labels(source))

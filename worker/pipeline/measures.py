"""Counts the deliveries of a subscription by event type. Costs a delivery two look-ups and some additions: no lock, no
Redis."""

from typing import Final, get_args

from ...shared import log
from ...shared.events import BY_TYPE
from ...shared.fast_metrics import FastCounter, FastHistogram
from ...shared.metrics import DOCUMENTED, OTHER
from . import metrics
from .outcome import Ack, DeadLetter, Outcome, Park, Reason

_log = log.get("worker.measures")
OUTCOMES: Final[dict[type[Outcome], str]] = {Ack: "handled", Park: "parked", DeadLetter: "dead_letter"}


class Counts:
    """The counters of one group and type, shared by its subscriptions in this process.

    All series exist from the first delivery on: Prometheus sees no increase in a series that begins above zero.
    """

    __slots__ = ("attempts", "outcomes", "reasons", "seconds", "skipped", "snoozed", "takeovers")

    def __init__(self, group: str, label: str) -> None:
        self.outcomes: dict[type[Outcome], FastCounter] = {
            kind: metrics.DELIVERIES.labels(group, label, name) for kind, name in OUTCOMES.items()
        }
        self.snoozed: FastCounter = metrics.DELIVERIES.labels(group, label, "snoozed")
        self.skipped: FastCounter = metrics.DELIVERIES.labels(group, label, "skipped")
        self.reasons: dict[str, FastCounter] = {
            reason: metrics.DEAD_LETTERS.labels(group, label, reason) for reason in get_args(Reason)
        }
        self.seconds: FastHistogram = metrics.HANDLER_SECONDS.labels(group, label)
        self.attempts: FastHistogram = metrics.ATTEMPTS.labels(group, label)
        self.takeovers: FastCounter = metrics.TAKEOVERS.labels(group, label)


class Measures:
    """The counters of one subscription. A type has its own if it is documented or is the pattern itself."""

    def __init__(self, group: str, pattern: str) -> None:
        self._group = group
        self._labels = DOCUMENTED | {pattern}
        self._counts: dict[str, Counts] = {}
        self._changed: set[str] = set()

    def of(self, event_type: str) -> Counts:
        """The counters of a type; all types without a label of their own share one set."""
        return self._counts.get(event_type) or self._first_of(event_type)

    def settled(self, event_type: str, outcome: Outcome, attempt: int) -> None:
        """Count the outcome of an attempt."""
        counts = self.of(event_type)
        if type(outcome) is Park:
            (counts.snoozed if outcome.is_snooze else counts.outcomes[Park]).value += 1
        elif type(outcome) is Ack and outcome.is_skipped:
            counts.skipped.value += 1
        else:
            counts.outcomes[type(outcome)].value += 1
            counts.attempts.observe(attempt)
        if isinstance(outcome, DeadLetter):
            counts.reasons[outcome.reason].value += 1
            if outcome.reason == "undecodable" and event_type in BY_TYPE:
                self._log_schema_change(event_type, outcome)

    def _log_schema_change(self, event_type: str, outcome: DeadLetter) -> None:
        """Log once per type: the sender or the handler may have changed, so every such event becomes a dead letter."""
        if event_type not in self._changed:
            self._changed.add(event_type)
            _log.error("event_schema_changed", group=self._group, type=event_type, error=str(outcome.cause))

    def _first_of(self, event_type: str) -> Counts:
        label = event_type if event_type in self._labels else OTHER
        if label not in self._counts:
            self._counts[label] = Counts(self._group, label)
        return self._counts[label]

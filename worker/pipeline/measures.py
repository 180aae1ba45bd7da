"""What a subscription counts, by event type. Costs a delivery two look-ups and some additions: no lock, no Redis."""

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
    """The figures of one group and type; subscriptions of all shards share them.

    All series are there from the first delivery on: Prometheus sees no increase in one that begins above zero.
    """

    __slots__ = ("attempts", "outcomes", "reasons", "seconds", "snoozed", "takeovers")

    def __init__(self, group: str, label: str) -> None:
        self.outcomes: dict[type[Outcome], FastCounter] = {
            kind: metrics.DELIVERIES.labels(group, label, name) for kind, name in OUTCOMES.items()
        }
        self.snoozed: FastCounter = metrics.DELIVERIES.labels(group, label, "snoozed")
        self.reasons: dict[str, FastCounter] = {
            reason: metrics.DEAD_LETTERS.labels(group, label, reason) for reason in get_args(Reason)
        }
        self.seconds: FastHistogram = metrics.HANDLER_SECONDS.labels(group, label)
        self.attempts: FastHistogram = metrics.ATTEMPTS.labels(group, label)
        self.takeovers: FastCounter = metrics.TAKEOVERS.labels(group, label)


class Measures:
    """Of one subscription. A type has its own figures if it is documented or is the pattern itself."""

    def __init__(self, group: str, pattern: str) -> None:
        self._group = group
        self._known = DOCUMENTED | {pattern}
        self._counts: dict[str, Counts] = {}
        self._changed: set[str] = set()

    def of(self, event_type: str) -> Counts:
        """The figures of a type; those of all that are not known are the same."""
        return self._counts.get(event_type) or self._first_of(event_type)

    def settled(self, event_type: str, outcome: Outcome, attempt: int) -> None:
        """An attempt ended so."""
        counts = self.of(event_type)
        if type(outcome) is Park:
            (counts.snoozed if outcome.is_snooze else counts.outcomes[Park]).value += 1
        else:
            counts.outcomes[type(outcome)].value += 1
            counts.attempts.observe(attempt)
        if isinstance(outcome, DeadLetter):
            counts.reasons[outcome.reason].value += 1
            if outcome.reason == "undecodable" and event_type in BY_TYPE:
                self._tell_changed(event_type, outcome)

    def _tell_changed(self, event_type: str, bury: DeadLetter) -> None:
        """Once for each type: the sender, or the handler, may have changed, and then every such event dies."""
        if event_type not in self._changed:
            self._changed.add(event_type)
            _log.error("event_schema_changed", group=self._group, type=event_type, error=str(bury.cause))

    def _first_of(self, event_type: str) -> Counts:
        label = event_type if event_type in self._known else OTHER
        if label not in self._counts:
            self._counts[label] = Counts(self._group, label)
        return self._counts[label]

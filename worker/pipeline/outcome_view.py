"""How an attempt ended, as `on_failure` and the tests of handlers see it."""

from dataclasses import dataclass
from typing import Literal

from ..api.delivery import Delivery
from . import outcome as pipeline
from .outcome import ACK, SKIP, Ack, DeadLetter, Park

Reason = pipeline.Reason | Literal[""]


@dataclass(frozen=True, repr=False)
class Outcome:
    """What became of one attempt. Exactly one of `is_handled`, `is_skipped`, `is_retried`, `is_snoozed`, `is_dead` and
    `is_waiting` is true.
    """

    delivery: Delivery
    """What the handler received."""
    settled: pipeline.Outcome | None
    """The worker's own value; None if no attempt began."""

    @property
    def is_handled(self) -> bool:
        """The handler returned."""
        return self.settled == ACK

    @property
    def is_skipped(self) -> bool:
        """The subscription does not take events of that source: acknowledged without an attempt."""
        return self.settled == SKIP

    @property
    def is_retried(self) -> bool:
        """The attempt failed, and another one follows after `wait_s`."""
        return isinstance(self.settled, Park) and not self.settled.is_snooze

    @property
    def is_snoozed(self) -> bool:
        """The handler raised `RetryLater`, `Hold` or `Pause`: another attempt follows, and none is used up."""
        return isinstance(self.settled, Park) and self.settled.is_snooze

    @property
    def is_held(self) -> bool:
        """The handler raised `Hold`: its subscription begins nothing for `wait_s`."""
        return isinstance(self.settled, Park) and self.settled.hold_s > 0

    @property
    def is_paused(self) -> bool:
        """The handler raised `Pause`: its pattern begins nothing until `Bus.resume`."""
        return isinstance(self.settled, Park) and self.settled.is_pause

    @property
    def is_dead(self) -> bool:
        """A dead letter, for `reason`: no attempt follows."""
        return isinstance(self.settled, DeadLetter)

    @property
    def is_waiting(self) -> bool:
        """No attempt began: the subscription is held, paused, or suspended by its breaker."""
        return self.settled is None

    @property
    def wait_s(self) -> float:
        """Seconds until the next attempt; 0 if none is planned."""
        return self.settled.wait_s if isinstance(self.settled, Park) else 0.0

    @property
    def reason(self) -> Reason:
        """Why it is a dead letter, as in `hookbus-worker dlq`: "rejected", "attempts_exhausted"…; "" if it is none."""
        return self.settled.reason if isinstance(self.settled, DeadLetter) else ""

    @property
    def error(self) -> str:
        """What the handler raised, as `Class: message`; "" if it raised nothing."""
        return str(self.settled.cause) if isinstance(self.settled, Park | DeadLetter) else ""

    @property
    def traceback(self) -> str:
        """Its traceback; "" if there is none."""
        return self.settled.cause.traceback if isinstance(self.settled, Park | DeadLetter) else ""

    def __repr__(self) -> str:
        """For a failed assertion: what happened and why."""
        error = f": {self.error}" if self.error else ""
        return f"<{self._kind()}, attempt {self.delivery.attempt} of {self.delivery.type}{error}>"

    def _kind(self) -> str:
        match self.settled:
            case None:
                return "waiting"
            case Ack(is_skipped):
                return "skipped" if is_skipped else "handled"
            case DeadLetter(reason):
                return f"dead letter ({reason})"
            case Park(is_pause=True):
                return "paused"
            case Park(hold_s=hold_s) if hold_s:
                return f"held for {hold_s:g} s"
            case Park(wait_s, is_snooze=is_snooze):
                return f"{'snoozed for' if is_snooze else 'retried in'} {wait_s:g} s"

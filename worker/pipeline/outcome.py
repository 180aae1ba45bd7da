"""How an attempt ended, as a value. Another module writes it down.

Ack        handled
Park       failed, or put off by the handler; again after a while
Bury       dead letter, now
"""

from dataclasses import dataclass
from typing import Final, Literal

from ...shared.traced import storable
from ..api.decision import Reject, decided
from ..api.retry import Retry
from .cause import MESSAGE_CHARS, Cause, brief, describe

Reason = Literal["attempts_exhausted", "rejected", "undecodable", "worker_lost", "expired", "unsubscribed"]

MIN_SNOOZE_S: Final = 1.0
"""Between two runs of a delivery that is put off again and again: `RetryLater(0)` must not keep a worker busy."""
FREE_SNOOZES_S: Final = 60.0
"""How long after its first attempt that begins: until then a handler that waits for something may look often."""


@dataclass(frozen=True, slots=True)
class Ack:
    """Handled."""


ACK: Final = Ack()
"""All are alike."""


@dataclass(frozen=True, slots=True)
class Park:
    """Failed, or put off (`is_snooze`: no attempt is burnt); the next attempt is due in `wait_s` seconds."""

    wait_s: float
    cause: Cause
    is_snooze: bool = False


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter."""

    reason: Reason
    cause: Cause


Outcome = Ack | Park | DeadLetter


def failed(
    error: BaseException, attempt: int, retry: Retry, message: str = "", spent_s: float = 0.0
) -> Park | DeadLetter:
    """What follows from an exception that a handler let out. `message` replaces the exception's own text; `spent_s`
    is how long ago the first attempt began."""
    deciding, asked_s = decided(error)
    cause = describe(deciding, message, error)
    if issubclass(type(deciding), Reject):
        return DeadLetter("rejected", cause)
    left_s = retry.within - spent_s
    if asked_s is not None:
        if left_s <= 0:
            return DeadLetter("attempts_exhausted", cause)
        min_s = MIN_SNOOZE_S if spent_s > FREE_SNOOZES_S else 0.0
        return Park(min(max(asked_s, min_s), left_s), cause, is_snooze=True)
    wait_s = retry.wait_s(attempt)
    if attempt >= retry.attempts or wait_s > left_s:
        return DeadLetter("attempts_exhausted", cause)
    return Park(wait_s, cause)


def undecodable(error: BaseException) -> DeadLetter:
    """The body can't become what the handler wants; trying again would not change it."""
    return DeadLetter("undecodable", brief(error))


def foreign(flaw: str) -> DeadLetter:
    """A stream entry that hookbus did not write."""
    return DeadLetter("undecodable", Cause("ForeignEntry", storable(flaw)[:MESSAGE_CHARS]))


def expired(age_s: float, received_s: float, max_age_s: float) -> DeadLetter:
    """The event, made `age_s` and received `received_s` seconds ago, is too old to be of use."""
    ages = f"{age_s:.1f} s old, received {received_s:.1f} s ago"
    return DeadLetter("expired", Cause("Expired", f"{ages}, max_age is {max_age_s:g} s"))


def unsubscribed(group: str, event_type: str) -> DeadLetter:
    """It was to be delivered again, but nobody reads it any more."""
    return DeadLetter("unsubscribed", Cause("Unsubscribed", f"{group} does not subscribe to {event_type}"))


def worker_lost(deaths: tuple[str, ...]) -> DeadLetter:
    """It ran alone each time that its worker died."""
    return DeadLetter("worker_lost", Cause("WorkerLost", f"{len(deaths)} workers died of it: {', '.join(deaths)}"))


def is_success(outcome: Outcome) -> bool:
    """Whether the handler did what it is there for; a `Reject` is its decision, too."""
    return isinstance(outcome, Ack) or (isinstance(outcome, DeadLetter) and outcome.reason == "rejected")


def failure(outcome: Outcome) -> Cause | None:
    """What counts against the handler, None for anything else."""
    if isinstance(outcome, Park) and not outcome.is_snooze:
        return outcome.cause
    if isinstance(outcome, DeadLetter) and outcome.reason == "attempts_exhausted":
        return outcome.cause
    return None

"""The outcome of an attempt, as a value. `settle` writes it to Redis.

Ack         handled, or skipped
Park        failed, or snoozed by the handler; another attempt follows
DeadLetter  no further attempt
"""

from typing import Final, Literal

import msgspec

from ...shared.traced import storable
from ..api.decision import Hold, Pause, Reject, deciding
from ..api.retry import Retry
from .cause import MESSAGE_CHARS, Cause, brief, describe

Reason = Literal["attempts_exhausted", "rejected", "undecodable", "worker_lost", "expired", "unsubscribed", "withdrawn"]

MIN_SNOOZE_S: Final = 1.0
"""Minimum between two runs of a delivery that is snoozed repeatedly: `RetryLater(0)` must not keep a worker busy."""
PAUSED_S: Final = 5.0
"""How long the delivery that asked for a pause is parked: until all workers know of it. Then it waits like others."""
FREE_SNOOZES_S: Final = 60.0
"""How long after the first attempt the minimum does not apply: a handler may poll often at first."""


class Ack(msgspec.Struct, frozen=True):
    """Handled, or left to others: `is_skipped` if the subscription does not take events of that source."""

    is_skipped: bool = False


ACK: Final = Ack()
SKIP: Final = Ack(is_skipped=True)
"""The shared instances: there are no others."""


class Park(msgspec.Struct, frozen=True):
    """Failed, or snoozed (`is_snooze`: uses up no attempt); the next attempt is due in `wait_s` seconds.

    With `hold_s` or `is_pause` the handler asked for its whole subscription to be suspended, or its pattern paused.
    """

    wait_s: float
    cause: Cause
    is_snooze: bool = False
    hold_s: float = 0.0
    is_pause: bool = False


class DeadLetter(msgspec.Struct, frozen=True):
    """No attempt will handle the delivery."""

    reason: Reason
    cause: Cause


Outcome = Ack | Park | DeadLetter


def failed(
    error: BaseException, attempt: int, retry: Retry, message: str = "", spent_s: float = 0.0
) -> Park | DeadLetter:
    """The outcome of an exception from a handler.

    `message` replaces the exception's own text; `spent_s` is the time since the first attempt began.
    """
    decision = deciding(error)
    cause = describe(decision.error, message, error)
    if decision.request is Reject:
        return DeadLetter("rejected", cause)
    left_s = retry.within - spent_s
    if decision.request is None:
        wait_s = retry.wait_s(attempt)
        if attempt >= retry.attempts or wait_s > left_s:
            return DeadLetter("attempts_exhausted", cause)
        return Park(wait_s, cause)
    if left_s <= 0:
        return DeadLetter("attempts_exhausted", cause)
    if decision.request is Pause:
        return Park(min(PAUSED_S, left_s), cause, is_snooze=True, is_pause=True)
    min_s = MIN_SNOOZE_S if spent_s > FREE_SNOOZES_S else 0.0
    hold_s = decision.wait_s if decision.request is Hold else 0.0
    return Park(min(max(decision.wait_s, min_s), left_s), cause, is_snooze=True, hold_s=hold_s)


def undecodable(error: BaseException) -> DeadLetter:
    """The body cannot be decoded into the handler's annotation; a retry would not change that. Its traceback tells
    something only where code of the user's refused the body."""
    cause = describe(error)
    return DeadLetter("undecodable", cause if cause.frame else brief(error))


def foreign(flaw: str) -> DeadLetter:
    """A stream entry that hookbus did not write."""
    return DeadLetter("undecodable", Cause("ForeignEntry", storable(flaw)[:MESSAGE_CHARS]))


def expired(age_s: float, received_s: float, max_age_s: float) -> DeadLetter:
    """The event, created `age_s` and received `received_s` seconds ago, is older than its subscription accepts."""
    ages = f"{age_s:.1f} s old, received {received_s:.1f} s ago"
    return DeadLetter("expired", Cause("Expired", f"{ages}, max_age is {max_age_s:g} s"))


def unsubscribed(group: str, event_type: str) -> DeadLetter:
    """A redelivery of a type that the group does not subscribe to any more."""
    return DeadLetter("unsubscribed", Cause("Unsubscribed", f"{group} does not subscribe to {event_type}"))


def withdrawn(error: str) -> DeadLetter:
    """An operator took a waiting delivery out; `error` is that of its last attempt, "" if none ran."""
    error_class, _, message = error.partition(": ")
    return DeadLetter("withdrawn", Cause(error_class or "Withdrawn", message))


def worker_lost(deaths: tuple[str, ...]) -> DeadLetter:
    """Each quarantine process that ran the delivery died."""
    text = f"{len(deaths)} processes that ran it alone died of it: {', '.join(deaths)}"
    return DeadLetter("worker_lost", Cause("WorkerLost", text))


def is_success(outcome: Outcome) -> bool:
    """Whether the handler worked as intended; a `Reject` is a decision and counts as success."""
    if isinstance(outcome, Ack):
        return not outcome.is_skipped
    return isinstance(outcome, DeadLetter) and outcome.reason == "rejected"


def is_failed(outcome: Outcome) -> bool:
    """Whether the attempt failed, or no attempt will handle the delivery; what a handler asked for is no failure."""
    return isinstance(outcome, DeadLetter) or (isinstance(outcome, Park) and not outcome.is_snooze)


def failure(outcome: Outcome) -> Cause | None:
    """The cause if the outcome counts as a failure of the handler, else None."""
    if isinstance(outcome, Park) and not outcome.is_snooze:
        return outcome.cause
    if isinstance(outcome, DeadLetter) and outcome.reason == "attempts_exhausted":
        return outcome.cause
    return None

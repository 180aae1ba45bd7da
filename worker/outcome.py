"""How an attempt ended, as a value. Another module writes it down.

Ack        handled
Park       failed; again after a while
Bury       dead letter, now
"""

import math
from dataclasses import dataclass
from typing import Any, Final, Literal, SupportsFloat

from shared.traced import storable
from worker.cause import MESSAGE_CHARS, Cause, brief, describe
from worker.retry import Retry

Reason = Literal["attempts_exhausted", "rejected", "undecodable", "worker_lost", "expired", "unsubscribed"]

MOST_WAIT_S: Final = 10 * 366 * 86_400.0
"""Ten years: what no wait needs, and every clock and score in Redis can hold."""


class RetryLater(Exception):  # noqa: N818 - a request, not an error
    """Raised by a handler: try again after `seconds`. Counts as an attempt."""

    seconds: float = 0.0

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds_of(seconds)
        super().__init__(f"again in {self.seconds:g} s")


class Reject(Exception):  # noqa: N818 - a verdict, not an error
    """Raised by a handler: no attempt will ever succeed, make it a dead letter now. Says why."""


@dataclass(frozen=True, slots=True)
class Ack:
    """Handled."""


ACK: Final = Ack()
"""All are alike."""


@dataclass(frozen=True, slots=True)
class Park:
    """Failed; the next attempt is due in `wait_s` seconds."""

    wait_s: float
    cause: Cause


@dataclass(frozen=True, slots=True)
class Bury:
    """A dead letter."""

    reason: Reason
    cause: Cause


Outcome = Ack | Park | Bury


def failed(error: BaseException, attempt: int, retry: Retry, message: str = "") -> Park | Bury:
    """What follows from an exception that a handler let out. `message` replaces the exception's own text."""
    cause = describe(error, message)
    kind = type(error)  # isinstance would ask the object too, which may raise
    if issubclass(kind, Reject):
        return Bury("rejected", cause)
    if attempt >= retry.attempts:
        return Bury("attempts_exhausted", cause)
    wait_s = _asked_s(error) if issubclass(kind, RetryLater) else None
    return Park(retry.wait_s(attempt) if wait_s is None else wait_s, cause)


def _asked_s(later: Any) -> float | None:
    """The wait that a `RetryLater` asks for; None where a subclass or the handler made something else of it."""
    try:
        return seconds_of(later.seconds)
    except BaseException:  # noqa: BLE001 - an attribute may be code of the user's
        return None


def seconds_of(asked: object) -> float:
    """A wait that can be kept: what is negative is none, and nobody lives to see the end of one that is too long.

    Raises TypeError for what is no number, ValueError for one that is not finite.
    """
    if not isinstance(asked, SupportsFloat):  # text is none, though float() would read it
        raise TypeError(f"{asked!r}: a number of seconds is needed")
    try:
        seconds = float(asked)
    except OverflowError:  # an int beyond floats
        seconds = MOST_WAIT_S if asked > 0 else 0.0  # type: ignore[operator]
    if not math.isfinite(seconds):
        raise ValueError(f"{asked!r}: a number of seconds is needed")
    return min(max(0.0, seconds), MOST_WAIT_S)


def undecodable(error: BaseException) -> Bury:
    """The body can't become what the handler wants; trying again would not change it."""
    return Bury("undecodable", brief(error))


def foreign(flaw: str) -> Bury:
    """A stream entry that hookbus did not write."""
    return Bury("undecodable", Cause("ForeignEntry", storable(flaw)[:MESSAGE_CHARS]))


def expired(age_s: float, received_s: float, max_age_s: float) -> Bury:
    """The event, made `age_s` and received `received_s` seconds ago, is too old to be of use."""
    ages = f"{age_s:.1f} s old, received {received_s:.1f} s ago"
    return Bury("expired", Cause("Expired", f"{ages}, max_age is {max_age_s:g} s"))


def unsubscribed(group: str, event_type: str) -> Bury:
    """It was to be delivered again, but nobody reads it any more."""
    return Bury("unsubscribed", Cause("Unsubscribed", f"{group} does not subscribe to {event_type}"))


def worker_lost(deaths: tuple[str, ...]) -> Bury:
    """It ran alone each time that its worker died."""
    return Bury("worker_lost", Cause("WorkerLost", f"{len(deaths)} workers died of it: {', '.join(deaths)}"))

"""When a subscription that fails all the time is given a rest, as values. `circuit` does it.

What counts is how many attempts failed in one process without a success between them, whatever they failed of: an
outage has several faces, and alternates with the types of a pattern. Only what the handler itself lets out counts: not
`Reject` and `RetryLater`, which are decisions, and not what never ran.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from ..shared import backoff
from ..shared.settings import ConfigError
from ..shared.traced import repr_of
from .callsite import caller, checked_class
from .cause import Cause
from .letter import fingerprint
from .outcome import Ack, Bury, Outcome, Park
from .retry import is_number

FACTOR: Final = 2.0


@checked_class
@dataclass(frozen=True, slots=True)
class Breaker:
    """Opens after `failures` without a success; one delivery tries after `delay` seconds, doubled up to `cap`.

    Twenty without a success between them are no accident. The first try comes soon enough for a
    deployment that is rolled back, the cap keeps a night's outage at a dozen tries an hour. Raises ConfigError.
    """

    failures: int = 20
    delay: float = 5.0
    cap: float = 300.0

    def __post_init__(self) -> None:
        numbers = all(map(is_number, (self.failures, self.delay, self.cap)))
        if not (numbers and isinstance(self.failures, int) and self.failures >= 1 and 0 < self.delay <= self.cap):
            raise ConfigError([f"{repr_of(self)}: needs failures >= 1, delay > 0, cap >= delay{caller()}"])

    def delay_s(self, times: int) -> float:
        """Seconds until a try, when it opened for the `times`-th time in a row (from 1)."""
        return backoff.step_s(times, base_s=self.delay, factor=FACTOR, cap_s=self.cap)


class Opened(msgspec.Struct, frozen=True):
    """What all workers of a group know of an open breaker. Times in Unix ms."""

    fingerprint: str
    """Of the last failure, as among the dead letters that it would become. For people: it decides nothing."""
    error: str
    since_ms: int
    try_ms: int
    """When a delivery may try; while one does, when it counts as lost."""
    times: int = 1
    prober: str = ""
    """The consumer that has one trying."""
    frame: str = ""
    """Line of the last failure, `path:line`; "" of one that an earlier release opened."""


def is_success(outcome: Outcome) -> bool:
    """Whether the handler did what it is there for; a `Reject` is its decision, too."""
    return isinstance(outcome, Ack) or (isinstance(outcome, Bury) and outcome.reason == "rejected")


def failure(outcome: Outcome) -> Cause | None:
    """What counts against the handler, None for anything else."""
    if isinstance(outcome, Park) and not outcome.is_snooze:
        return outcome.cause
    if isinstance(outcome, Bury) and outcome.reason == "attempts_exhausted":
        return outcome.cause
    return None


def print_of(cause: Cause, event_type: str) -> str:
    """The fingerprint of a failure: that of the dead letter that it becomes if it goes on."""
    return fingerprint(cause.error_class, cause.frame, event_type, "attempts_exhausted")


encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(Opened).decode

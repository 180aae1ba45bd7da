"""The retry schedule of a subscription."""

import sys
from dataclasses import dataclass
from typing import Final

from ...shared import backoff
from ...shared.settings import ConfigError
from ...shared.traced import repr_of
from .callsite import caller, checked_class

DEFAULT_ATTEMPTS: Final = 20
"""With the waits below, the 20th attempt comes 8 to 10 hours after the first: longer than an on-call night."""

MAX_FACTOR: Final = 1000.0
"""Smaller factors reach every cap in a few steps; larger ones overflow."""


def is_number(value: object) -> bool:
    """Whether a value is a finite number; True and False are not."""
    largest = sys.float_info.max
    return isinstance(value, int | float) and not isinstance(value, bool) and -largest <= value <= largest


@checked_class
@dataclass(frozen=True)
class Retry:
    """Up to `attempts` attempts; after the n-th failure the wait is `base` × `factor`^(n-1) seconds, at most `cap`.

    Jitter adds up to a quarter and never shortens a wait. No attempt starts later than `within` seconds (default: a
    week) after the first one began. `RetryLater` uses up no attempt, so `within` is its only bound. Raises ConfigError.
    """

    attempts: int = DEFAULT_ATTEMPTS
    base: float = 1.0
    factor: float = 2.0
    cap: float = 3600.0
    within: float = 604_800.0

    def __post_init__(self) -> None:
        numbers = all(map(is_number, (self.attempts, self.base, self.factor, self.cap, self.within)))
        if not (
            numbers
            and isinstance(self.attempts, int)
            and self.attempts >= 1
            and 0 <= self.base <= self.cap
            and 1 <= self.factor <= MAX_FACTOR
            and self.within > 0
        ):
            bounds = f"attempts >= 1, base >= 0, factor 1 to {MAX_FACTOR:g}, cap >= base, within > 0"
            raise ConfigError([f"{repr_of(self)}: needs {bounds}{caller()}"])

    def wait_s(self, attempt: int) -> float:
        """Seconds to wait after attempt number `attempt` (from 1) failed."""
        return backoff.jittered_s(backoff.step_s(attempt, base_s=self.base, factor=self.factor, cap_s=self.cap))

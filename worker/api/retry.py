"""When a failed delivery is tried again."""

import sys
from dataclasses import dataclass
from typing import Final

from ...shared import backoff
from ...shared.settings import ConfigError
from ...shared.traced import repr_of
from .callsite import caller, checked_class

DEFAULT_ATTEMPTS: Final = 20
"""With the waits below: the 20th attempt comes 8 to 10 hours after the first. Longer than an on-call night."""


MAX_FACTOR: Final = 1000.0
"""Every cap is reached in a few steps long before; what is larger overflows."""


def is_number(value: object) -> bool:
    """Whether that is a finite number; True and False are none."""
    most = sys.float_info.max
    return isinstance(value, int | float) and not isinstance(value, bool) and -most <= value <= most


@checked_class
@dataclass(frozen=True, slots=True)
class Retry:
    """Up to `attempts` attempts, the n-th failure waiting `base` × `factor`^(n-1) seconds, at most `cap`.

    Up to a quarter is added by chance; no attempt comes sooner than its step asks. None comes later than `within`
    seconds after the first one began: a week, if nothing else is said. `RetryLater` burns no attempt, so that this is
    its only bound. Raises ConfigError.
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
            told = (
                f"{repr_of(self)}: needs attempts >= 1, base >= 0, factor 1 to {MAX_FACTOR:g}, cap >= base, within > 0"
            )
            raise ConfigError([f"{told}{caller()}"])

    def wait_s(self, attempt: int) -> float:
        """Seconds to wait after the attempt of that number (from 1) failed."""
        return backoff.jittered_s(backoff.step_s(attempt, base_s=self.base, factor=self.factor, cap_s=self.cap))

"""When a subscription that fails all the time is given a rest, as a value. `circuit` does it.

What counts is how many attempts failed in one process without a success between them, whatever they failed of: an
outage has several faces, and alternates with the types of a pattern. Only what the handler itself lets out counts: not
`Reject` and `RetryLater`, which are decisions, and not what never ran.
"""

from dataclasses import dataclass
from typing import Final

from ...shared import backoff
from ...shared.settings import ConfigError
from ...shared.traced import repr_of
from .callsite import caller, checked_class
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

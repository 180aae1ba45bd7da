"""Settings of a subscription's circuit breaker. `duties/circuit` applies them.

The breaker counts failed attempts in one process without a success between them, whatever their cause: an outage shows
as several errors, which alternate with the types of a pattern. Only exceptions of the handler itself count; `Reject`
and `RetryLater` are decisions, and deliveries whose handler never ran are no failures.
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
@dataclass(frozen=True)
class Breaker:
    """Opens after `failures` without a success; one delivery probes after `delay` seconds, doubled up to `cap`.

    Twenty failures without a success between them are no accident. The first probe comes soon enough for a deployment
    that is rolled back; the cap limits a long outage to a dozen probes an hour. Raises ConfigError.
    """

    failures: int = 20
    delay: float = 5.0
    cap: float = 300.0

    def __post_init__(self) -> None:
        numbers = all(map(is_number, (self.failures, self.delay, self.cap)))
        if not (numbers and isinstance(self.failures, int) and self.failures >= 1 and 0 < self.delay <= self.cap):
            raise ConfigError([f"{repr_of(self)}: needs failures >= 1, delay > 0, cap >= delay{caller()}"])

    def delay_s(self, times: int) -> float:
        """Seconds until the next probe after the breaker opened for the `times`-th time in a row (from 1)."""
        return backoff.step_s(times, base_s=self.delay, factor=FACTOR, cap_s=self.cap)

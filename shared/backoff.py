"""Exponential backoff with additive jitter: a wait is never below its step, and processes do not wait in step."""

import random
from collections.abc import Callable
from typing import Final

JITTER: Final = 0.25
"""Largest random share added to a step. Spreads a herd without doubling any wait (a guess that holds up)."""


def step_s(attempt: int, *, base_s: float, factor: float, cap_s: float) -> float:
    """Seconds to wait after the attempt numbered `attempt` (from 1), before jitter."""
    # The exponent is capped first: 2.0 ** 1100 overflows.
    return min(cap_s, base_s * factor ** min(attempt - 1, 64))


def jittered_s(wait_s: float, chance: Callable[[], float] = random.random) -> float:
    """`wait_s` plus up to a quarter of it. `chance` returns a float in [0, 1)."""
    return wait_s * (1 + JITTER * chance())


class Reconnect:
    """Waits between attempts to reach Redis: 50 ms, doubling to `cap_s`, without end.

    The default cap is short because both programs stand still meanwhile, and one connection a second costs a server
    nothing.
    """

    def __init__(self, cap_s: float = 2.0) -> None:
        self._cap_s = cap_s
        self._attempt = 0

    def next_s(self) -> float:
        """Seconds to wait after one more failure."""
        self._attempt += 1
        return jittered_s(step_s(self._attempt, base_s=0.05, factor=2, cap_s=self._cap_s))

    def reset(self) -> bool:
        """Start from the shortest wait again, once Redis responds. True if there had been a failure."""
        had_failed, self._attempt = self._attempt > 0, 0
        return had_failed

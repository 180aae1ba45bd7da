"""Exponential backoff with additive jitter: never sooner than the step asks, never in step with the others."""

import random
from collections.abc import Callable
from typing import Final

JITTER: Final = 0.25
"""Share of a step that chance may add. Spreads a herd without doubling anybody's wait (a guess that holds up)."""


def step_s(attempt: int, *, base_s: float, factor: float, cap_s: float) -> float:
    """Seconds that the attempt numbered `attempt` (from 1) asks to wait before the next."""
    # The exponent is capped first: 2.0 ** 1100 overflows.
    return min(cap_s, base_s * factor ** min(attempt - 1, 64))


def jittered_s(wait_s: float, chance: Callable[[], float] = random.random) -> float:
    """`wait_s` plus up to a quarter of it. `chance` returns a float in [0, 1)."""
    return wait_s * (1 + JITTER * chance())


class Reconnect:
    """Waits between attempts to reach Redis: 50 ms, doubling to 2 s, for ever.

    The cap is short because both programs stand still meanwhile, and one connect a second costs a server nothing.
    """

    def __init__(self) -> None:
        self._attempt = 0

    def next_s(self) -> float:
        """Seconds to wait after one more failure."""
        self._attempt += 1
        return jittered_s(step_s(self._attempt, base_s=0.05, factor=2, cap_s=2))

    def reset(self) -> bool:
        """Redis answered: start from the shortest wait again. Whether there had been a failure."""
        had_failed, self._attempt = self._attempt > 0, 0
        return had_failed

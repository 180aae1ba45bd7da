"""Checks the options of `App.on`.

They are checked when `on` is called, not when the first failure needs them: a wrong `retry` would hang that delivery.
"""

from typing import Any, Final

from ...shared.traced import repr_of
from .breaker import Breaker
from .retry import Retry

MAX_CONCURRENCY: Final = 100_000
"""A thousand times the default, and more tasks than one process can make progress with."""
MAX_S: Final = 100 * 365 * 86_400.0
"""A hundred years: the limit of the event loop's timers."""


def option_problems(
    pattern: object, *, concurrency: Any, timeout_s: Any, max_age_s: Any, retry: Any, breaker: Any
) -> list[str]:
    """Problems in the arguments of `on`. `routes` checks whether a string is a pattern."""
    if callable(pattern):
        return [f'write @app.on("response.completed") above {repr_of(pattern)}: which event type, "prefix.*" or "*"?']
    if not isinstance(pattern, str):
        return [f'on({repr_of(pattern)}): an event type, "prefix.*" or "*" is needed']
    limits = (("timeout", timeout_s), ("max_age", max_age_s))
    problems = [
        _limit_problem("concurrency", concurrency, int, "a whole number", MAX_CONCURRENCY),
        *(_limit_problem(name, value, int | float, "a number of seconds", MAX_S) for name, value in limits),
    ]
    if retry is not None and not isinstance(retry, Retry):
        problems.append(f"retry must be a Retry, as in Retry(attempts=3), not {repr_of(retry)}")
    if breaker is not None and not isinstance(breaker, Breaker):
        problems.append(f"breaker must be a Breaker, or None for none, not {repr_of(breaker)}")
    return [f"on({pattern!r}): {problem}" for problem in problems if problem]


def _limit_problem(name: str, value: Any, kind: Any, kind_name: str, maximum: float) -> str:
    if value is None:
        return ""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and not value > 0:
        return f"{name} must be positive, not {repr_of(value)}"
    if not is_number or not isinstance(value, kind):
        return f"{name} must be {kind_name}, not {repr_of(value)}"
    return "" if value <= maximum else f"{name} must be at most {maximum:g}, not {repr_of(value)}"

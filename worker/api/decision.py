"""Exceptions by which a handler decides about its delivery: `RetryLater` and `Reject`, alone or in an exception group.

A task group wraps what its tasks raise, so groups are searched too. One `Reject` among the errors decides: no attempt
will succeed, whatever else went wrong. `RetryLater` decides if all errors are `RetryLater`; the longest wait wins.
Beside another error it is a failure, which follows the retry schedule.
"""

import math
from typing import Any, Final, SupportsFloat

from ...shared.traced import members_of

MAX_WAIT_S: Final = 10 * 366 * 86_400.0
"""Ten years: longer than any wait needs, and within every clock and every score in Redis."""


class RetryLater(Exception):  # noqa: N818 - a request, not an error
    """Raised by a handler: try again after `seconds`. Not a failure; uses up no attempt. `Retry.within` bounds it."""

    seconds: float = 0.0

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds_of(seconds)
        super().__init__(f"again in {self.seconds:g} s")


class Reject(Exception):  # noqa: N818 - a verdict, not an error
    """Raised by a handler: no attempt will ever succeed, so dead-letter the delivery now. The message is the reason."""


def seconds_of(value: object) -> float:
    """A wait in seconds, from 0 to `MAX_WAIT_S`.

    Raises TypeError if `value` is not a number, ValueError if it is not finite.
    """
    if not isinstance(value, SupportsFloat):  # a str is refused, though float() would parse it
        raise TypeError(f"{value!r}: a number of seconds is needed")
    try:
        seconds = float(value)
    except OverflowError:  # an int beyond the range of floats
        seconds = MAX_WAIT_S if value > 0 else 0.0  # type: ignore[operator]
    if not math.isfinite(seconds):
        raise ValueError(f"{value!r}: a number of seconds is needed")
    return min(max(0.0, seconds), MAX_WAIT_S)


def deciding(error: BaseException) -> tuple[BaseException, float | None]:
    """The error that decides, and the wait that it requests.

    The wait is None for a `Reject`, and (`error`, None) is returned if no error decides. `issubclass` looks at classes
    only: `isinstance` would read an attribute of the object, which may raise.
    """
    waits: list[tuple[float, BaseException]] = []
    others = 0
    for each in _errors(error):
        if issubclass(type(each), Reject):
            return each, None
        wait_s = _requested_s(each) if issubclass(type(each), RetryLater) else None
        if wait_s is None:
            others += 1
        else:
            waits.append((wait_s, each))
    if others or not waits:
        return error, None
    wait_s, later = max(waits, key=lambda wait: wait[0])
    return later, wait_s


def _errors(error: BaseException) -> list[BaseException]:
    """The error itself, or the members of a group and of its groups; each once, as a group may hold one twice."""
    errors: list[BaseException] = []
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        members = members_of(each)
        waiting += members
        if not members:
            errors.append(each)
    return errors


def _requested_s(later: Any) -> float | None:
    """The wait that a `RetryLater` requests; None if a subclass or the handler made it unusable."""
    try:
        return seconds_of(later.seconds)
    except BaseException:  # noqa: BLE001 - an attribute may be the user's own code
        return None

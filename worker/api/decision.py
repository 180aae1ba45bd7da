"""What a handler may raise to decide about its delivery: `RetryLater` and `Reject`, alone or in a group of errors.

A task group wraps what its tasks raise, so a decision is looked for inside of groups too. One `Reject` among the errors
decides: no attempt will succeed, whatever else went wrong. `RetryLater` decides where nothing but it was raised, the
longest wait of several; beside another error it is a failure, which follows its schedule.
"""

import math
from typing import Any, Final, SupportsFloat

from ...shared.traced import members_of

MAX_WAIT_S: Final = 10 * 366 * 86_400.0
"""Ten years: what no wait needs, and every clock and score in Redis can hold."""


class RetryLater(Exception):  # noqa: N818 - a request, not an error
    """Raised by a handler: try again after `seconds`. Not a failure, and burns no attempt; see `Retry.within`."""

    seconds: float = 0.0

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds_of(seconds)
        super().__init__(f"again in {self.seconds:g} s")


class Reject(Exception):  # noqa: N818 - a verdict, not an error
    """Raised by a handler: no attempt will ever succeed, make it a dead letter now. Says why."""


def seconds_of(asked: object) -> float:
    """A wait that can be kept: what is negative is none, and nobody lives to see the end of one that is too long.

    Raises TypeError for what is no number, ValueError for one that is not finite.
    """
    if not isinstance(asked, SupportsFloat):  # text is none, though float() would read it
        raise TypeError(f"{asked!r}: a number of seconds is needed")
    try:
        seconds = float(asked)
    except OverflowError:  # an int beyond floats
        seconds = MAX_WAIT_S if asked > 0 else 0.0  # type: ignore[operator]
    if not math.isfinite(seconds):
        raise ValueError(f"{asked!r}: a number of seconds is needed")
    return min(max(0.0, seconds), MAX_WAIT_S)


def decided(error: BaseException) -> tuple[BaseException, float | None]:
    """The error that decides, and the wait that it asks for; (`error`, None) where nothing does, or it is a `Reject`.

    The classes are asked, not the objects: `isinstance` would look at an attribute, which may raise.
    """
    waits: list[tuple[float, BaseException]] = []
    others = 0
    for each in _errors(error):
        if issubclass(type(each), Reject):
            return each, None
        wait_s = _asked_s(each) if issubclass(type(each), RetryLater) else None
        if wait_s is None:
            others += 1
        else:
            waits.append((wait_s, each))
    if others or not waits:
        return error, None
    wait_s, later = max(waits, key=lambda wait: wait[0])
    return later, wait_s


def _errors(error: BaseException) -> list[BaseException]:
    """The error, or what a group holds, groups in it looked through; each once, as a group may hold one twice."""
    found: list[BaseException] = []
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
            found.append(each)
    return found


def _asked_s(later: Any) -> float | None:
    """The wait that a `RetryLater` asks for; None where a subclass or the handler made something else of it."""
    try:
        return seconds_of(later.seconds)
    except BaseException:  # noqa: BLE001 - an attribute may be code of the user's
        return None

"""Exceptions by which a handler decides about its delivery or its subscription, alone or in an exception group.

A task group wraps what its tasks raise, so groups are searched too. The most final one decides. `Reject` comes first,
since no attempt will succeed, whatever else went wrong; then `Pause`, which lasts until a person ends it; then the
longest `Hold`, as the upstream that asked for it does not care what else failed. `RetryLater` speaks of this delivery
alone: it decides if all errors are `RetryLater`, the longest wait; beside another error it is a failure, which follows
the retry schedule.
"""

import math
from typing import Any, Final, NamedTuple, SupportsFloat

from ...shared.traced import members_of

MAX_WAIT_S: Final = 10 * 366 * 86_400.0
"""Ten years: longer than any wait needs, and within every clock and every score in Redis."""
MAX_HOLD_S: Final = 3_600.0
"""An upstream that needs longer asks the next delivery again: a wrong header costs an hour, no more."""


class RetryLater(Exception):  # noqa: N818 - a request, not an error
    """Raised by a handler: try again after `seconds`. Not a failure; uses up no attempt. `Retry.within` bounds it."""

    seconds: float = 0.0

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds_of(seconds)
        super().__init__(f"again in {self.seconds:g} s")


class Hold(Exception):  # noqa: N818 - a request, not an error
    """Raised by a handler: begin nothing of this subscription, in any worker, for `seconds`, an hour at most.

    This delivery is tried again then. Not a failure; uses up no attempt. `Retry.within` bounds it.
    """

    seconds: float = 0.0

    def __init__(self, seconds: float) -> None:
        self.seconds = min(seconds_of(seconds), MAX_HOLD_S)
        super().__init__(f"for {self.seconds:g} s")


class Pause(Exception):  # noqa: N818 - a request, not an error
    """Raised by a handler: pause its pattern, as `hookbus-worker pause` does, until an operator resumes it.

    The message is the reason. This delivery waits with the others. Not a failure; uses up no attempt.
    """


class Reject(Exception):  # noqa: N818 - a verdict, not an error
    """Raised by a handler: no attempt will ever succeed, so dead-letter the delivery now. The message is the reason."""


Request = type[RetryLater] | type[Hold] | type[Pause] | type[Reject]


class Decision(NamedTuple):
    """The error that decides, what it requests, and for how long. Without a request it is a failure."""

    error: BaseException
    request: Request | None = None
    wait_s: float = 0.0


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


def deciding(error: BaseException) -> Decision:
    """The decision of an exception, or of the members of a group."""
    errors = _errors(error)
    for request in (Reject, Pause):
        for each in errors:
            if _is_a(each, request):
                return Decision(each, request)
    holds = _waits(errors, Hold)
    if holds:
        longest = max(holds, key=lambda each: each.wait_s)
        return longest._replace(wait_s=min(longest.wait_s, MAX_HOLD_S))
    waits = _waits(errors, RetryLater)
    if waits and len(waits) == len(errors):
        return max(waits, key=lambda each: each.wait_s)
    return Decision(error)


def _is_a(error: BaseException, request: Request) -> bool:
    """By the class alone: `isinstance` would read an attribute of the object, which may raise."""
    return issubclass(type(error), request)


def _waits(errors: list[BaseException], request: type[RetryLater] | type[Hold]) -> list[Decision]:
    """Those of one class that request a usable time."""
    waits = [(each, _requested_s(each)) for each in errors if _is_a(each, request)]
    return [Decision(each, request, wait_s) for each, wait_s in waits if wait_s is not None]


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
    """The time that an error requests; None if a subclass or the handler made it unusable."""
    try:
        return seconds_of(later.seconds)
    except BaseException:  # noqa: BLE001 - an attribute may be the user's own code
        return None

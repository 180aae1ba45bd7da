"""Checks the functions that an `App` runs around its handlers; `pipeline.around` composes them."""

from asyncio import CancelledError
from collections.abc import Callable, Coroutine
from typing import Any, Final

from ...shared.traced import repr_of
from .callee import is_async_inside, place_of
from .delivery import Delivery
from .parameters import arguments_problem

Call = Callable[[], Coroutine[Any, Any, None]]
"""Runs what is below, once: the next function, or the handler."""
Around = Callable[[Call, Any, Delivery[Any]], Coroutine[Any, Any, object]]
"""Gets the event that the handler gets."""

TIMED_OUT: Final = "the attempt has run out of time"
"""The text of the CancelledError by which a timeout ends an attempt; what else cancels one gives none."""

WRITE: Final = "write `async def traced(call, event, delivery):`, with `await call()` in it"


def has_timed_out(error: BaseException) -> bool:
    """Whether an exception in an attempt is its timeout, and not a stop of the worker."""
    return type(error) is CancelledError and error.args == (TIMED_OUT,)


def around_problems(around: Any) -> list[str]:
    """Why an object cannot be the `around` of an app, and what to write."""
    if not isinstance(around, list | tuple):
        given = place_of(around) if callable(around) else repr_of(around)
        return [f"around must be a list of functions, as in around=[traced], not {given}"]
    return [f"{problem}; {WRITE}" for function in around if (problem := _problem(function))]


def _problem(function: Any) -> str:
    if not callable(function):
        return f"around: {repr_of(function)} is not a function"
    name = f"around: {place_of(function)}"
    if not is_async_inside(function):
        return f"{name} is not async, or contains a yield"
    problem = arguments_problem(function, "call", "event", "delivery")
    return f"{name} {problem}" if problem else ""

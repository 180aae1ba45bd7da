"""Checks the function that an `App` calls after each failed attempt; `pipeline.failure_hook` calls it."""

import inspect
from collections.abc import Callable
from typing import Any, Final

from ...shared.traced import repr_of
from .callee import innermost, place_of
from .delivery import Delivery
from .parameters import arguments_problem

OnFailure = Callable[[Delivery[Any], BaseException, Any], object]
"""Sync or async. The outcome is a `hookbus.Outcome`."""

WRITE: Final = "write `def report(delivery, error, outcome):`, or with `async`"


def on_failure_problem(function: Any) -> str:
    """Why an object cannot be the `on_failure` of an app, and what to write; "" if it may be one."""
    if function is None:
        return ""
    problem = _problem(function)
    return f"on_failure: {problem}; {WRITE}" if problem else ""


def _problem(function: Any) -> str:
    if not callable(function) or inspect.isclass(function):
        return f"{repr_of(function)} is not a function"
    below = innermost(function)
    if inspect.isgeneratorfunction(below) or inspect.isasyncgenfunction(below):
        return f"{place_of(function)} contains a yield"
    problem = arguments_problem(function, "delivery", "error", "outcome")
    return f"{place_of(function)} {problem}" if problem else ""

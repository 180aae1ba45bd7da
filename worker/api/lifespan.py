"""Checks the lifespan of an `App`: an async context manager for what its handlers share, such as a pool.

`worker.lifespans` runs it. What can be seen in the function alone is refused where the `App` is declared.
"""

import inspect
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from ...shared.traced import repr_of
from .callee import entered_function, place_of

Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]
"""Called with the `App` once per process; what it yields is `Delivery.state`."""

WRITE: Final = "write @contextlib.asynccontextmanager above `async def lifespan(app):`, with one `yield` in it"


def lifespan_problem(lifespan: Any) -> str:
    """Why an object cannot be a lifespan, and what to write; "" if it may be one."""
    if lifespan is None:
        return ""
    problem = _kind_problem(lifespan) or _parameter_problem(lifespan)
    return f"{problem}; {WRITE}" if problem else ""


def _kind_problem(lifespan: Any) -> str:
    if not inspect.isclass(lifespan) and hasattr(lifespan, "__aenter__"):
        return "lifespan must be the function itself, not what a call of it returns"
    if not callable(lifespan):
        return f"lifespan must be a function, not {repr_of(lifespan)}"
    flaw = _flaw(entered_function(lifespan))
    return f"lifespan {place_of(lifespan)} {flaw}" if flaw else ""


def _flaw(function: Any) -> str:
    """What is wrong with the function that a call enters, as the end of a sentence."""
    if inspect.isclass(function):
        lacks = [name for name in ("__aenter__", "__aexit__") if not hasattr(function, name)]
        return f"is a class without {' and '.join(lacks)}" if lacks else ""
    decorated = getattr(function, "__wrapped__", None)
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        return "is not decorated"
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(decorated):
        return "contains no yield"
    return "is not async" if inspect.isgeneratorfunction(decorated) else ""


def _parameter_problem(lifespan: Any) -> str:
    try:  # a decorator that makes a context manager passes on all arguments, so those of the innermost function count
        inspect.signature(lifespan).bind(None)
    except TypeError as error:
        return f"lifespan {place_of(lifespan)} must take the app alone ({error})"
    except ValueError:  # a signature that Python cannot show
        return ""
    return ""

"""What runs when a handler is called: one look through all that Python lets stand for a function.

A `functools.partial`, a bound method, an object with `__call__`, a decorated function: what counts is the function that
is entered first. A wrapper is not looked through, since it runs, and what it does might block the event loop.
"""

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any

from .decode import ImpossibleError
from .parameters import MAX_LAYERS, called, taken


def function_of(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The function that a call enters first; the handler itself where it is written in C, or is a class."""
    for _ in range(MAX_LAYERS):
        handler, outer = _entered(handler), handler
        if handler is outer:
            break
    return handler


def declared(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The function below all wrappers, whose parameters `inspect.signature` shows."""
    for _ in range(MAX_LAYERS):
        handler, outer = getattr(handler, "__wrapped__", None) or _entered(handler), handler
        if handler is outer:
            break
    return handler


def _entered(handler: Any) -> Any:
    """One layer further in; the same where there is none."""
    if inspect.isfunction(handler) or inspect.isclass(handler):
        return handler
    if isinstance(handler, functools.partial):
        return handler.func
    if inspect.ismethod(handler):
        return handler.__func__
    return called(handler)


def returns_coroutine(handler: Callable[..., Any]) -> bool:
    """Whether a call only makes a coroutine, and may be made on the event loop."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(function_of(handler))


def waits(handler: Callable[..., Any]) -> bool:
    """Whether it is a coroutine function in the end, below its wrappers: it mostly waits, and many may run at once."""
    return returns_coroutine(handler) or inspect.iscoroutinefunction(declared(handler))


def parameters_of(handler: Callable[..., Any]) -> tuple[list[inspect.Parameter], dict[str, Any]]:
    """What it still takes, and the annotations by name. Raises ImpossibleError for what can be no handler."""
    if inspect.isclass(handler):
        raise ImpossibleError("it is a class: a call would only make an object of it. Decorate a function or an object")
    try:
        parameters = list(taken(handler).parameters.values())
        below = declared(handler)
        # Those of an object are the annotations of its class.
        hints = typing.get_type_hints(below) if inspect.isfunction(below) else {}
    except Exception as error:  # noqa: BLE001 - written as text, annotations are the user's own code
        raise ImpossibleError(f"its annotations can't be read: {error}") from None
    if inspect.isgeneratorfunction(below) or inspect.isasyncgenfunction(below):
        raise ImpossibleError("it has a yield in it, so that a call would run nothing")
    if parameters and all(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        raise ImpossibleError("its decorator hides what it takes: use functools.wraps there")
    return parameters, hints


def place_of(handler: Callable[..., Any]) -> str:
    """Where it stands, for messages: `file:line name`, or its name alone."""
    function = declared(handler)
    code = getattr(function, "__code__", None)
    name = getattr(function, "__qualname__", type(handler).__qualname__)
    return f"{code.co_filename}:{code.co_firstlineno} {name}" if code else str(name)

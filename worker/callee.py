"""What runs when a handler is called: one look through all that Python lets stand for a function.

A `functools.partial`, a bound method, an object with `__call__`, a decorated function: what counts is the function that
is entered first. A wrapper is not looked through, since it runs, and what it does might block the event loop.
"""

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any

from worker.decode import ImpossibleError


def function_of(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The function that a call enters first; the handler itself where it is written in C, or is a class."""
    while not inspect.isfunction(handler) and not inspect.isclass(handler):
        if isinstance(handler, functools.partial):
            handler = handler.func
        elif inspect.ismethod(handler):
            handler = handler.__func__
        elif inspect.isfunction(inspect.getattr_static(type(handler), "__call__", None)):
            handler = type(handler).__call__
        else:
            break
    return handler


def returns_coroutine(handler: Callable[..., Any]) -> bool:
    """Whether a call only makes a coroutine, and may be made on the event loop."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(function_of(handler))


def waits(handler: Callable[..., Any]) -> bool:
    """Whether it is a coroutine function in the end, below its wrappers: it mostly waits, and many may run at once."""
    return returns_coroutine(handler) or inspect.iscoroutinefunction(inspect.unwrap(function_of(handler)))


def parameters_of(handler: Callable[..., Any]) -> tuple[list[inspect.Parameter], dict[str, Any]]:
    """What it still takes, and the annotations by name. Raises ImpossibleError for what can be no handler."""
    function = function_of(handler)
    if inspect.isclass(handler):
        raise ImpossibleError("it is a class: a call would only make an object of it. Decorate a function or an object")
    try:
        hints = typing.get_type_hints(function)
        parameters = list(inspect.signature(handler).parameters.values())
    except Exception as error:  # noqa: BLE001 - written as text, annotations are the user's own code
        raise ImpossibleError(f"its annotations can't be read: {error}") from None
    below = inspect.unwrap(function)
    if inspect.isgeneratorfunction(below) or inspect.isasyncgenfunction(below):
        raise ImpossibleError("it has a yield in it, so that a call would run nothing")
    if parameters and all(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        raise ImpossibleError("its decorator hides what it takes: use functools.wraps there")
    return parameters, hints


def place_of(handler: Callable[..., Any]) -> str:
    """Where it stands, for messages: `file:line name`, or its name alone."""
    function = inspect.unwrap(function_of(handler))
    code = getattr(function, "__code__", None)
    name = getattr(function, "__qualname__", type(handler).__qualname__)
    return f"{code.co_filename}:{code.co_firstlineno} {name}" if code else str(name)

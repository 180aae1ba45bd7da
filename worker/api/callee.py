"""Finds the function that a call of a handler enters, for every callable that Python accepts as one.

A handler can be a `functools.partial`, a bound method, an object with `__call__` or a decorated function. The function
that is entered first counts. A wrapper is not looked through: it runs itself, and may block the event loop.
"""

import functools
import inspect
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any

from .annotation import ImpossibleError
from .delivery import Delivery
from .parameters import MAX_LAYERS, bound_call, call_signature


def entered_function(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The function that a call enters first; the handler itself if it is written in C or is a class."""
    for _ in range(MAX_LAYERS):
        handler, outer = _entered(handler), handler
        if handler is outer:
            break
    return handler


def innermost(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The function below all wrappers, whose parameters `inspect.signature` shows."""
    for _ in range(MAX_LAYERS):
        handler, outer = getattr(handler, "__wrapped__", None) or _entered(handler), handler
        if handler is outer:
            break
    return handler


def _entered(handler: Any) -> Any:
    """One layer further in; `handler` itself if it has none."""
    if inspect.isfunction(handler) or inspect.isclass(handler):
        return handler
    if isinstance(handler, functools.partial):
        return handler.func
    if inspect.ismethod(handler):
        return handler.__func__
    return bound_call(handler)


def returns_coroutine(handler: Callable[..., Any]) -> bool:
    """Whether a call only creates a coroutine, so that it can be made on the event loop."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(entered_function(handler))


def is_async_inside(handler: Callable[..., Any]) -> bool:
    """Whether the function below all wrappers is a coroutine function: it mostly waits, so many can run at once."""
    return returns_coroutine(handler) or inspect.iscoroutinefunction(innermost(handler))


def parameters_of(handler: Callable[..., Any]) -> tuple[list[inspect.Parameter], dict[str, Any]]:
    """The parameters that a call still takes, and the annotations by name.

    Raises ImpossibleError if the callable cannot be a handler.
    """
    if inspect.isclass(handler):
        raise ImpossibleError("it is a class: a call would only create an object. Decorate a function or an object")
    try:
        parameters = list(call_signature(handler).parameters.values())
    except Exception as error:  # noqa: BLE001 - of Python for a function in C, or of the user's `__signature__`
        raise ImpossibleError(f"its parameters can't be read: {error}") from None
    try:
        below = innermost(handler)
        # An object would return the annotations of its class.
        hints = _hints(below, [each.name for each in parameters[:2]]) if inspect.isfunction(below) else {}
    except Exception as error:  # noqa: BLE001 - written as text, annotations are the user's own code
        cure = "; import or define it at the top of the module" if isinstance(error, NameError) else ""
        raise ImpossibleError(f"its annotations can't be read: {error}{cure}") from None
    if inspect.isgeneratorfunction(below) or inspect.isasyncgenfunction(below):
        raise ImpossibleError("it contains a yield, so a call would run nothing")
    if parameters and all(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        raise ImpossibleError("its decorator hides its parameters: use functools.wraps there")
    return parameters, hints


def _hints(function: types.FunctionType, names: Sequence[str]) -> dict[str, Any]:
    """The annotations of some parameters. Raises what evaluating one raises, but for a `Delivery` that only a type
    checker imports: linters move such imports below `if TYPE_CHECKING`."""
    try:
        return typing.get_type_hints(function)
    except Exception:  # noqa: BLE001 - perhaps of another parameter, or of the result
        return {name: _hint(function, name) for name in names if name in function.__annotations__}


def _hint(function: types.FunctionType, name: str) -> Any:
    one = types.SimpleNamespace(__annotations__={name: function.__annotations__[name]})
    try:
        return typing.get_type_hints(one, globalns=function.__globals__)[name]
    except NameError as error:
        if error.name == Delivery.__name__:
            return Delivery
        raise


def place_of(handler: Callable[..., Any]) -> str:
    """Location of a handler for messages: `file:line name`, or its name alone."""
    function = innermost(handler)
    code = getattr(function, "__code__", None)
    name = getattr(function, "__qualname__", type(handler).__qualname__)
    return f"{code.co_filename}:{code.co_firstlineno} {name}" if code else str(name)

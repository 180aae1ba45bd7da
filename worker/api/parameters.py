"""Determines the arguments that a handler accepts through all its wrappers.

`inspect.signature` shows the parameters of the innermost function. But a wrapper that takes only the event fails when
it is called with a `Delivery` too, whatever it wraps. So every layer counts; the wrapped function only fills `*args`
and `**options`.
"""

import functools
import inspect
import itertools
import types
from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any, Final

MAX_LAYERS: Final = 100
"""More than any real handler has; ends the search through wrappers that wrap each other in a circle."""
POSITIONAL: Final = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
DELIVERY: Final = "delivery"
"""A second parameter of that name takes the `Delivery`, even without an annotation."""
_BOUND: Final = (types.FunctionType, staticmethod, classmethod, functools.partialmethod)
"""The kinds of `__call__` that a class may have."""


def bound_call(handler: Any) -> Any:
    """The bound `__call__` of an object; any other callable unchanged."""
    call = inspect.getattr_static(type(handler), "__call__", None)
    return call.__get__(handler, type(handler)) if isinstance(call, _BOUND) else handler


def call_signature(handler: Any, layers: int = MAX_LAYERS) -> Signature:
    """The signature of a call. Raises ValueError or TypeError if it cannot be determined."""
    if not layers:
        raise ValueError(f"more than {MAX_LAYERS} wrappers")
    if isinstance(handler, functools.partial):
        function = _stand_in(call_signature(handler.func, layers - 1))
        return inspect.signature(functools.partial(function, *handler.args, **handler.keywords))
    if inspect.ismethod(handler):
        function = _stand_in(call_signature(handler.__func__, layers - 1))
        return inspect.signature(types.MethodType(function, handler.__self__))
    call = bound_call(handler)
    own = inspect.signature(handler, follow_wrapped=False) if call is handler else call_signature(call, layers - 1)
    wrapped = getattr(handler, "__wrapped__", None)
    return own if wrapped is None else _passed_on(own, call_signature(wrapped, layers - 1))


def arguments_problem(function: Any, first: str, second: str, third: str) -> str:
    """Why a call with three arguments of these names fails, as the end of a sentence; "" if it may work."""
    try:
        call_signature(function).bind(first, second, third)
    except TypeError as error:
        return f"must take {first}, {second} and {third} ({error})"
    except ValueError:  # a signature that Python cannot show
        return ""
    return ""


def _stand_in(signature: Signature) -> Callable[..., None]:
    def takes(*_args: Any, **_options: Any) -> None: ...

    takes.__signature__ = signature  # type: ignore[attr-defined]
    return takes


def _passed_on(own: Signature, wrapped: Signature) -> Signature:
    """The signature of a wrapper: its own parameters, with `*args` and `**options` filled from the wrapped function."""
    below = _positional(wrapped)
    positional = [_named(*pair) for pair in itertools.zip_longest(_positional(own), below[: len(_positional(own))])]
    rest = [each for each in own.parameters.values() if each.kind not in POSITIONAL]
    kinds = {each.kind for each in rest}
    if Parameter.VAR_POSITIONAL in kinds:
        positional += below[len(positional) :]
    if Parameter.VAR_KEYWORD in kinds:
        names = {each.name for each in rest}
        only_keyword = [each for each in wrapped.parameters.values() if each.kind is Parameter.KEYWORD_ONLY]
        rest += [each for each in only_keyword if each.name not in names]
    # Not validated: a parameter with a default may precede one without, which is fine for a call by position.
    return Signature([*positional, *sorted(rest, key=lambda each: each.kind)], __validate_parameters__=False)


def _positional(signature: Signature) -> list[Parameter]:
    return [each for each in signature.parameters.values() if each.kind in POSITIONAL]


def _named(own: Parameter, below: Parameter | None) -> Parameter:
    """A parameter under the name of the wrapped function's, whose annotation counts; `delivery` keeps its name."""
    return own if below is None or own.name == DELIVERY else own.replace(name=below.name)

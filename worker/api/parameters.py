"""What a handler can really be called with, through all its wrappers.

`inspect.signature` shows the parameters of the innermost function. But a wrapper that takes only the event fails when
it is called with a `Delivery` too, whatever it wraps. So each layer counts; what it wraps only fills its `*args` and
`**options`.
"""

import functools
import inspect
import itertools
import types
from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any, Final

MAX_LAYERS: Final = 100
"""More than anybody stacks, and an end for wrappers that wrap each other in a circle."""
POSITIONAL: Final = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
DELIVERY: Final = "delivery"
"""A second parameter of that name is for the `Delivery`, without an annotation too."""
_BOUND: Final = (types.FunctionType, staticmethod, classmethod, functools.partialmethod)
"""What a class may have as its `__call__`."""


def called(handler: Any) -> Any:
    """The bound `__call__` of an object; anything else as it is."""
    call = inspect.getattr_static(type(handler), "__call__", None)
    return call.__get__(handler, type(handler)) if isinstance(call, _BOUND) else handler


def taken(handler: Any, layers: int = MAX_LAYERS) -> Signature:
    """What a call may pass. Raises ValueError and TypeError where that can't be known."""
    if not layers:
        raise ValueError(f"more than {MAX_LAYERS} wrappers")
    if isinstance(handler, functools.partial):
        bound = functools.partial(_stand_in(taken(handler.func, layers - 1)), *handler.args, **handler.keywords)
        return inspect.signature(bound)
    if inspect.ismethod(handler):
        return inspect.signature(types.MethodType(_stand_in(taken(handler.__func__, layers - 1)), handler.__self__))
    call = called(handler)
    own = inspect.signature(handler, follow_wrapped=False) if call is handler else taken(call, layers - 1)
    wrapped = getattr(handler, "__wrapped__", None)
    return own if wrapped is None else _passed_on(own, taken(wrapped, layers - 1))


def _stand_in(signature: Signature) -> Callable[..., None]:
    def takes(*_args: Any, **_options: Any) -> None: ...

    takes.__signature__ = signature  # type: ignore[attr-defined]
    return takes


def _passed_on(own: Signature, wrapped: Signature) -> Signature:
    """Of a wrapper: its own parameters, and for its `*args` and `**options` those that they pass on."""
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
    # Not validated: a default may come before what has none, as a call by position does not mind.
    return Signature([*positional, *sorted(rest, key=lambda each: each.kind)], __validate_parameters__=False)


def _positional(signature: Signature) -> list[Parameter]:
    return [each for each in signature.parameters.values() if each.kind in POSITIONAL]


def _named(own: Parameter, below: Parameter | None) -> Parameter:
    """By the name whose annotation counts, which is that of the wrapped function; a `delivery` is one by its name."""
    return own if below is None or own.name == DELIVERY else own.replace(name=below.name)

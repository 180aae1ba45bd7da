"""Finds the line of the user's code that called hookbus, and checks the arguments of the call.

A user's module declares its handlers while it is imported. A call with wrong arguments is a configuration error and is
reported with its line: a plain TypeError could come from anything else that the module does.
"""

import functools
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, ParamSpec, TypeVar

from ...shared.settings import ConfigError
from ...shared.traced import OURS

P = ParamSpec("P")
T = TypeVar("T")
Class = TypeVar("Class", bound=type[Any])


def caller() -> str:
    """` (file:line)` of the innermost frame outside hookbus, "" if there is none."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
    return "" if frame is None else f" ({frame.f_code.co_filename}:{frame.f_lineno})"


def _is_ours(frame: FrameType) -> bool:
    """Checks the globals too: code that dataclasses generate has no file of its own."""
    files = (frame.f_code.co_filename, frame.f_globals.get("__file__") or "")
    return any(OURS in Path(file).parents for file in files)


def checked_call(name: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a function of the public API: wrong arguments raise ConfigError with the location of the call."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        signature = inspect.signature(function)
        takes = ", ".join(parameter for parameter in signature.parameters if parameter != "self")

        @functools.wraps(function)
        def call(*args: P.args, **options: P.kwargs) -> T:
            try:
                signature.bind(*args, **options)
            except TypeError as error:
                raise ConfigError([f"{name}(): {error}; it takes {takes}{caller()}"]) from None
            return function(*args, **options)

        return call

    return decorate


def checked_class(cls: Class) -> Class:
    """Decorate a class of the public API in the same way."""
    cls.__init__ = checked_call(cls.__name__)(cls.__init__)
    return cls

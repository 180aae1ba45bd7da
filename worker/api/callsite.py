"""Where in the user's code hookbus was called, and whether that can be called so.

A user's module declares its handlers while it is imported. A call with arguments that we do not take is a mistake of
its configuration, told with the line: Python's own TypeError could as well come from anything else that it does there.
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
    """` (file:line)` of the innermost code that is not hookbus's own, "" where there is none."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
    return "" if frame is None else f" ({frame.f_code.co_filename}:{frame.f_lineno})"


def _is_ours(frame: FrameType) -> bool:
    """Not by the code's own file alone: what dataclasses write has none."""
    files = (frame.f_code.co_filename, frame.f_globals.get("__file__") or "")
    return any(OURS in Path(file).parents for file in files)


def checked_call(name: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorates what users call in their declarations: wrong arguments raise ConfigError with the place of the call."""

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
    """The same for making an object of a class."""
    cls.__init__ = checked_call(cls.__name__)(cls.__init__)
    return cls

"""The cause of a failed attempt, as a value that can be stored.

An exception is the user's object and may raise when it is inspected; `describe` never raises.
"""

import functools
import os
import sys
import traceback
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final

import msgspec

from ...shared.traced import OURS, attribute, name_of, storable, text_of, trace_of

MESSAGE_CHARS: Final = 2_000
FRAME_CHARS: Final = 300
"""Limits of one record, besides that of the traceback."""

_GET_VARIABLE: Final = type(os.environ).__getitem__.__code__
_own_packages: set[str] = set()
_LIBRARIES = ("site-packages", "dist-packages", str(Path(traceback.__file__).parent))


class Cause(msgspec.Struct, frozen=True):
    """What went wrong. `frame` is the innermost frame of the application, `file:function`, which stays the same when
    lines move; `place` is its line, `path:line`. Both are "" where there is none."""

    error_class: str
    message: str
    traceback: str = ""
    frame: str = ""
    place: str = ""

    def __str__(self) -> str:
        return f"{self.error_class}: {self.message}" if self.message else self.error_class


def describe(error: BaseException, message: str = "", whole: BaseException | None = None) -> Cause:
    """Class, message, capped traceback and application frame of an exception. Never raises.

    `message` replaces the exception's own text; `whole` is the group that contained it, whose traceback shows more.
    """
    return Cause(
        name_of(type(error)),
        storable(message)[:MESSAGE_CHARS] or text_of(error, MESSAGE_CHARS),
        trace_of(whole or error),
        *_application_frame(_own_traceback(error)),
    )


def brief(error: BaseException) -> Cause:
    """Class and message alone, for errors outside the handler's code. Never raises."""
    return Cause(name_of(type(error)), text_of(error, MESSAGE_CHARS))


def _own_traceback(error: BaseException) -> TracebackType | None:
    """Where an error was raised; of one that was only made, as for a timeout, where its cause was."""
    cause = attribute(error, "__cause__")
    return attribute(error, "__traceback__") or (None if cause is None else attribute(cause, "__traceback__"))


def _application_frame(trace: TracebackType | None) -> tuple[str, str]:
    """Frame and place of the innermost frame outside libraries and hookbus."""
    innermost = None
    for frame, line in traceback.walk_tb(trace):
        if is_application(frame):
            innermost = frame.f_code, line
    if innermost is None:
        return "", ""
    code, line = innermost
    frame_name, place = f"{Path(code.co_filename).name}:{code.co_qualname}", f"{code.co_filename}:{line}"
    return storable(frame_name)[:FRAME_CHARS], storable(place)[-FRAME_CHARS:]


def is_unset_variable(error: BaseException) -> bool:
    """Whether `os.environ[name]` raised it: who starts the process has to act."""
    innermost = _innermost(error)
    return issubclass(type(error), KeyError) and innermost is not None and innermost.f_code is _GET_VARIABLE


def innermost_file(error: BaseException) -> str:
    """The file that raised an error; "" if that is unknown."""
    innermost = _innermost(error)
    return "" if innermost is None else innermost.f_code.co_filename


def _innermost(error: BaseException) -> FrameType | None:
    frames = [frame for frame, _ in traceback.walk_tb(attribute(error, "__traceback__"))]
    return frames[-1] if frames else None


def add_application(module_name: str) -> None:
    """Code of the package of this module is the application's, even where it is installed beside libraries."""
    package = module_name.partition(".")[0]
    if package not in sys.stdlib_module_names:
        _own_packages.add(package)


def is_application(frame: FrameType) -> bool:
    """Whether a frame is neither of a library nor of hookbus."""
    name, file = (frame.f_globals.get(each) for each in ("__name__", "__file__"))
    is_own = type(name) is str and name.partition(".")[0] in _own_packages
    return _is_application(frame.f_code.co_filename, file if type(file) is str else "", is_own)


@functools.lru_cache(maxsize=1024)
def _is_application(file: str, of_module: str, is_own: bool) -> bool:
    """`file` is relative in what Cython made, such as `uvloop/loop.pyx`: then the file of the module counts."""
    if file.startswith("<"):  # frozen, or made by `exec`, as methods of a dataclass are
        return False
    path = Path(file if os.path.isabs(file) else of_module)
    if not path.is_absolute() or OURS in path.parents:
        return False
    return is_own or not any(part in str(path) for part in _LIBRARIES)

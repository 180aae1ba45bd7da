"""The traceback of an exception that may be broken in any way: bounded, and always available.

`traceback` itself raises on some exceptions (a SyntaxError whose line is not text, two thousand nested groups), follows
every `__cause__`, and builds the whole text before it can be capped. So this module reads the parts one by one, past
the overrides of a class, and omits each part that raises. Nothing here raises.
"""

import itertools
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final

OURS: Final = Path(__file__).parents[1]
"""The folder of the package: code below it is hookbus's own."""
TRACEBACK_CHARS: Final = 16_000
"""Cap of one record: enough to see the fault, too little to fill Redis when every delivery fails."""
FRAMES: Final = 50
"""Innermost frames of one exception; a recursion has a thousand, all alike."""
EXCEPTIONS: Final = 40
"""Causes, contexts and members of groups in total: more than fit into the cap."""
MEMBERS: Final = 15
"""Members of one group, the limit of `traceback`."""
DEPTH: Final = 10
"""Nested groups, the limit of `traceback`."""
NOTES: Final = 10
NAME_CHARS: Final = 200
REPR_CHARS: Final = 200
PART_CHARS: Final = 2 * TRACEBACK_CHARS
"""Longest part: a longer one would not be kept anyway."""

_CAUSE: Final = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT: Final = "\nDuring handling of the above exception, another exception occurred:\n\n"


def trace_of(error: BaseException) -> str:
    """The traceback as Python prints it; a long one without its middle."""
    clip = _Clip(TRACEBACK_CHARS)
    budget = iter(range(EXCEPTIONS))
    for part in _chain(error, budget, set(), 0):
        clip.add(part)
    return clip.text()


def text_of(value: object, max_chars: int) -> str:
    """At most `max_chars` characters of `str(value)`, encodable in UTF-8."""
    return storable(_text(value)[:max_chars])[:max_chars]


def repr_of(value: object) -> str:
    """The repr of a value, in one line of at most `REPR_CHARS`, for messages."""
    try:
        text = str.__getitem__(repr(value), slice(REPR_CHARS))
    except BaseException:  # noqa: BLE001 - it is an object of the user's
        text = f"<{name_of(type(value))}>"
    return " ".join(storable(text).split())


def name_of(cls: type) -> str:
    """The qualified name of a class, whatever its metaclass overrides."""
    return storable(str.__getitem__(_NAME(cls), slice(NAME_CHARS)))[:NAME_CHARS]


def storable(text: str) -> str:
    """The text, encodable in UTF-8, so that an error that quotes a lone surrogate can be stored."""
    return text.encode("utf-8", "backslashreplace").decode()


def attribute(error: BaseException, name: str) -> Any:
    """One of Python's own attributes of exceptions, past the overrides of a subclass."""
    return vars(BaseException)[name].__get__(error)


def members_of(error: BaseException) -> tuple[BaseException, ...]:
    """The members of an exception group, none for other exceptions."""
    if not issubclass(type(error), BaseExceptionGroup):
        return ()
    found: tuple[BaseException, ...] = vars(BaseExceptionGroup)["exceptions"].__get__(error)
    return found


def _text(value: object) -> str:
    try:
        return str.__getitem__(str(value), slice(None))  # of a class of text the text alone
    except BaseException as broken:  # noqa: BLE001 - a class of the user's may raise anything, SystemExit too
        return f"<no text: {name_of(type(broken))}>"


_NAME: Final = vars(type)["__qualname__"].__get__
_DICT: Final = vars(type)["__dict__"].__get__
"""Of a class, past its metaclass."""


def _chain(error: BaseException, budget: Iterator[int], seen: set[int], depth: int) -> Iterator[str]:
    """An exception and its causes, the first cause first."""
    links: list[tuple[BaseException, str]] = []
    link: BaseException | None = error
    joint = ""
    while link is not None and id(link) not in seen:
        if next(budget, None) is None:
            yield "… more exceptions, left out …\n"
            break
        seen.add(id(link))
        links.append((link, joint))
        link, joint = _before(link)
    for each, after in reversed(links):
        yield from _one(each, budget, seen, depth)
        yield after


def _before(error: BaseException) -> tuple[BaseException | None, str]:
    cause = attribute(error, "__cause__")
    if cause is not None:
        return cause, _CAUSE
    if attribute(error, "__suppress_context__"):
        return None, ""
    return attribute(error, "__context__"), _CONTEXT


def _one(error: BaseException, budget: Iterator[int], seen: set[int], depth: int) -> Iterator[str]:
    trace = attribute(error, "__traceback__")
    if trace is not None:
        yield "Traceback (most recent call last):\n"
        yield from _frames(trace)
    yield _headline(error)
    yield from _notes(error)
    members = members_of(error)
    if not members or depth == DEPTH:
        return
    for number, member in enumerate(members[:MEMBERS], 1):
        yield f"  +---------------- {number} ----------------\n"
        for part in _chain(member, budget, seen, depth + 1):
            yield "".join(f"  | {line}\n" for line in part[:PART_CHARS].splitlines())
    if len(members) > MEMBERS:
        yield f"  +---- and {len(members) - MEMBERS} more ----\n"


def _frames(trace: TracebackType) -> Iterator[str]:
    try:
        frames = traceback.extract_tb(trace, limit=-FRAMES).format()
    except BaseException as broken:  # noqa: BLE001 - source lines come from the loader of a module of the user's
        frames = [f"  its frames can't be read: {name_of(type(broken))}\n"]
    for frame in frames:
        yield storable(frame[:PART_CHARS])


def _headline(error: BaseException) -> str:
    """Class and text; for a SyntaxError also its place, if `traceback` can format it."""
    cls = type(error)
    if issubclass(cls, SyntaxError):
        try:
            return storable("".join(traceback.format_exception_only(error))[:PART_CHARS])
        except BaseException:  # noqa: BLE001, S110 - then without it
            pass
    module = _DICT(cls).get("__module__")
    prefix = f"{storable(module)}." if type(module) is str and module not in ("builtins", "__main__") else ""
    text = _text(error)
    if len(text) > PART_CHARS:
        text = text[: PART_CHARS // 2] + text[-PART_CHARS // 2 :]
    text = storable(text)
    return f"{prefix}{name_of(cls)}: {text}\n" if text else f"{prefix}{name_of(cls)}\n"


def _notes(error: BaseException) -> Iterator[str]:
    try:
        notes = error.__notes__
    except BaseException:  # noqa: BLE001 - there are none, or a class of the user's raises
        return
    if type(notes) in (list, tuple):
        for note in itertools.islice(notes, NOTES):
            yield f"{text_of(note, PART_CHARS)}\n"


class _Clip:
    """Both ends of a text that arrives in parts; never holds much more than `max_chars`."""

    def __init__(self, max_chars: int) -> None:
        self._half = max_chars // 2
        self._head = ""
        self._tail = ""
        self._left_out = 0

    def add(self, part: str) -> None:
        """Append a part."""
        room = self._half - len(self._head)
        self._head += part[:room]
        rest = self._tail + part[room:]
        self._tail = rest[-self._half :]
        self._left_out += len(rest) - len(self._tail)

    def text(self) -> str:
        """The whole text, or both ends of it."""
        gap = f"\n… {self._left_out} characters left out …\n" if self._left_out else ""
        return f"{self._head}{gap}{self._tail}"

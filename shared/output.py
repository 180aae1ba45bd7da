"""Output of the tools: tables for people, JSON for programs, and nothing that could control a terminal.

Bodies and error texts come from outside. Markup in them is not interpreted, and control characters are escaped. What
prints neither a table nor JSON imports neither rich nor msgspec here.
"""

import errno
import os
import re
import select
import shutil
import sys
import textwrap
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_CONTROL: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""C0 and C1 except tab and newline, other line ends, marks of writing direction, and surrogates, invalid in UTF-8."""
_LABEL: Final = re.compile(r" *(\S+ {2,}|-> )")
"""What stands before the text of a line: a word and a gap, or an arrow."""
HANG: Final = 4
"""Indentation of the rest of a line without such a label."""
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60))


def console(*, stderr: bool = False) -> "Console":
    """The console for tables. 80 columns when piped, where the width is unknown."""
    from .screen import Screen

    return Screen(stderr=stderr, markup=False, highlight=False, emoji=False, soft_wrap=False)


def require_reader() -> None:
    """Raises BrokenPipeError if the reader of standard output is gone: for commands that run until they are stopped and
    may print nothing for hours."""
    if sys.stdout is None:
        return
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    if any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def print_json(value: Any, *, indent: int = -1) -> None:
    """Print one value, in one line unless indented. On a terminal, control characters become JSON escapes."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(value), indent=indent).decode()
    if sys.stdout is not None and sys.stdout.isatty():
        text = _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    print(text)


def bytes_in() -> IO[bytes]:
    """Standard input, as bytes. Raises FailedError if it is closed."""
    from .command import FailedError

    if sys.stdin is None:
        raise FailedError("standard input is closed")
    return sys.stdin.buffer


def bytes_out() -> IO[bytes]:
    """Standard output, as bytes. Raises FailedError if it is closed."""
    from .command import FailedError

    if sys.stdout is None:
        raise FailedError("standard output is closed")
    return sys.stdout.buffer


def print_lines(lines: Iterable[str]) -> None:
    """Print lines. On a terminal they are wrapped at words, the rest of each below its text; elsewhere unchanged."""
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    width = shutil.get_terminal_size().columns
    print("\n".join(part for line in lines for part in (wrapped(line, width) if is_terminal else [line])), flush=True)


def wrapped(line: str, width: int) -> list[str]:
    """A line in as many as it takes, broken at blanks only."""
    start = _LABEL.match(line)
    hang = " " * (len(start[0]) if start else HANG)
    return textwrap.wrap(
        line, width, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
    ) or [""]


def printable(text: str) -> str:
    """The text with control characters (except tab and newline) escaped."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    """A text in one line, printable."""
    return printable(text).replace("\n", "\\n").replace("\t", " ")


def line(text: str) -> str:
    """The first line of a text, printable."""
    return printable(text.strip().partition("\n")[0]).replace("\t", " ")


def cell(text: str, style: str = "") -> "Text":
    """A table cell: the first line of a text from outside, printable."""
    from rich.text import Text

    return Text(line(text), style)


def age(seconds: float) -> str:
    """A duration in its largest unit: 0.4s, 59s, 12m, 3h, 2d."""
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0.0, seconds):.1f}s" if seconds < 10 else f"{int(seconds)}s"


def since(then_ms: int, now_ms: int) -> str:
    """The time between two Unix ms, as `age` prints it."""
    return age((now_ms - then_ms) / 1000)


def took(duration_ms: int) -> str:
    """How long an attempt took, recorded in whole ms: <1 ms, 12 ms, 1.5s, 3m."""
    if duration_ms < 1000:
        return f"{duration_ms} ms" if duration_ms else "<1 ms"
    return age(duration_ms / 1000)


def moment(unix_ms: int) -> str:
    """A time in UTC, to the millisecond."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(" ", "milliseconds").replace("+00:00", "Z")


def things(count: int, thing: str) -> str:
    """A count with its noun: 1 dead letter, 2 dead letters, 1,200 dead letters."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def does(count: int, verb: str) -> str:
    """What so many things do: 1 waits, 2 wait."""
    return f"{verb}{'s' if count == 1 else ''}"


def note(text: str, *, as_json: bool = False) -> None:
    """Print a line beside the result, on standard error; not for a program that reads JSON, which has the result."""
    if not as_json or (sys.stdout is not None and sys.stdout.isatty()):
        print(text, file=sys.stderr)


def can_ask() -> bool:
    """Whether a person can be asked: standard input is a terminal."""
    return sys.stdin is not None and sys.stdin.isatty()


def confirmed(question: str) -> bool:
    """Print a question; True if the person types y or yes. Unlike in typer's `confirm`, Ctrl-C exits with 130."""
    print(f"{question} [y/N]: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")

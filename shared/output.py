"""How the tools print: tables for people, JSON for programs, and nothing that could steer a terminal.

Bodies and error texts come from outside. Markup in them is not read, and control characters are shown, not obeyed.
"""

import re
import sys
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.text import Text

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60))


def console(*, stderr: bool = False) -> Console:
    """Where tables go. 80 columns when piped, as nobody knows better."""
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False, soft_wrap=False)


def print_json(value: Any) -> None:
    """One value in one line."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def printable(text: str) -> str:
    """The text with control characters (but tab and newline) written out as escapes."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def line(text: str) -> str:
    """Only the first line of a text, printable."""
    return printable(text.strip().partition("\n")[0]).replace("\t", " ")


def cell(text: str, style: str = "") -> Text:
    """A table cell of one line that came from outside."""
    return Text(line(text), style)


def age(seconds: float) -> str:
    """A duration in its largest unit: 0.4s, 59s, 12m, 3h, 2d."""
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0.0, seconds):.1f}s" if seconds < 10 else f"{int(seconds)}s"


def since(then_ms: int, now_ms: int) -> str:
    """How long ago something was."""
    return age((now_ms - then_ms) / 1000)


def moment(unix_ms: int) -> str:
    """A time, UTC, to the millisecond."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(" ", "milliseconds").replace("+00:00", "Z")


def things(count: int, thing: str) -> str:
    """A count with its noun: 1 dead letter, 2 dead letters, 1,200 dead letters."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def confirmed(question: str) -> bool:
    """Whether somebody types y or yes. Unlike typer's own question, Ctrl-C here is an interruption (exit code 130)."""
    print(f"{question} [y/N]: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")

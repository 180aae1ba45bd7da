"""Formats the log lines of the programs for people: a coloured name, the time, the event, its fields.

The programs write JSON lines, since their output is a pipe and not a terminal.
"""

import json
from datetime import datetime
from typing import Final

from rich.console import Console
from rich.text import Text
from structlog.dev import ConsoleRenderer

from deploy.local.processes import Child

STYLES: Final = {"ingest": "cyan", "worker": "magenta", "console": "blue"}
EVENT_WIDTH: Final = 16
_render_colours: Final = ConsoleRenderer(colors=True, pad_event_to=EVENT_WIDTH)
_render_plain: Final = ConsoleRenderer(colors=False, pad_event_to=EVENT_WIDTH)


def show(console: Console, child: Child, line: str) -> None:
    """Print one line of a child's output, with its name before it."""
    for part in pretty(line, has_colours=console.is_terminal).splitlines() or [""]:
        prefix = (f"{child.name:<7} │ ", STYLES.get(child.name, ""))
        console.print(Text.assemble(prefix, Text.from_ansi(part.rstrip())), soft_wrap=True, highlight=False)


def pretty(line: str, *, has_colours: bool = False) -> str:
    """A log line formatted for people; other lines unchanged."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return line
    if not isinstance(fields, dict) or not isinstance(fields.get("event"), str):
        return line
    if isinstance(at := fields.get("timestamp"), str):
        fields["timestamp"] = _local_time(at)
    if not isinstance(fields.get("exception", ""), str):  # from a handler that configured structlog
        fields["exception"] = json.dumps(fields["exception"])
    return str((_render_colours if has_colours else _render_plain)(None, "", fields))


def _local_time(iso: str) -> str:
    try:
        return datetime.fromisoformat(iso).astimezone().strftime("%H:%M:%S")
    except ValueError:
        return iso

"""The life of an event for people: a few lines about it, then a line for each state that a group is in."""

from collections.abc import Iterator, Mapping
from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from ...shared import output, shell, tables
from ...shared.tables import Column
from ..api.delivery import fields_of
from ..find import words
from ..find.life import Dead, Handled, InGroup, Life
from ..find.search import MOST_EVENTS, Found

STYLES: Final[Mapping[words.Tone, str]] = {
    "good": "green",
    "unsure": "yellow",
    "waits": "yellow",
    "bad": "red",
    "quiet": "dim",
}
COLUMNS: Final = (Column("GROUP", least=8), Column("STATE", least=24))
TRIMMED: Final = "whether a group received a trimmed event follows from its subscriptions of today"


def show(name: str, found: Found, now_ms: int) -> None:
    """Print the result."""
    console = output.console()
    for life in found.lives:
        console.print(_life(life, now_ms, console.width))
    if len(found.lives) == MOST_EVENTS:
        console.print(Text(f"the first {MOST_EVENTS} events of this id; there may be more"))
    if found.may_have_older:
        console.print(Text("older events may hold this id too: --all"))
    if not found.lives:
        console.print(Text(f"{output.one_line(name)} {words.not_found(found)}"), soft_wrap=True)
        console.print(Text(f"searched: {words.searched(found)}"), soft_wrap=True)
        if (found.reached_ms or found.left_out) and not found.is_stopped:
            console.print(Text("for more: --since 3d, --all"))
    for key, error in found.unusable.items():
        console.print(Text(output.line(f"unusable key {key}: {error}"), "bold red"), soft_wrap=True)


def _life(life: Life, now_ms: int, width: int) -> Group:
    rows = [
        ("" if i else output.cell(group), text)
        for group, found in life.groups.items()
        for i, text in enumerate(_states(life, group, found, now_ms))
    ]
    parts: list[Table | Text] = [_headline(life, now_ms), Text(), tables.table(COLUMNS, rows, width)]
    if not life.groups:
        parts.append(Text("there are no groups yet"))
    if any(isinstance(s, Handled) and s.is_trimmed for each in life.groups.values() for s in each.states):
        parts.append(Text(TRIMMED, "dim"))
    return Group(*parts, Text())


def _headline(life: Life, now_ms: int) -> Table:
    subject, entry, place = life.subject, life.subject.entry, life.subject.place
    event_id = fields_of(entry.body).id if entry else ""
    size = output.things(len(entry.body), "byte") if entry else ""
    rows = {
        "webhook-id": subject.webhook_id,
        "event": " · ".join(filter(None, (subject.type, f"source {subject.source}", size))),
        "id in body": event_id if isinstance(event_id, str) else "",
        "received": _when(entry.received_at_ms, now_ms) if entry else "",
        "stored": _when(place.stored_ms, now_ms) if place else ", ".join(filter(None, (subject.day, "trimmed since"))),
        "entry": f"{place.entry_id} of {place.key}" if place else "",
    }
    return tables.pairs((name, output.one_line(text)) for name, text in rows.items())


def _when(unix_ms: int, now_ms: int) -> str:
    return f"{output.moment(unix_ms)}, {output.since(unix_ms, now_ms)} ago"


def _states(life: Life, group: str, found: InGroup, now_ms: int) -> Iterator[Text]:
    for state in found.states:
        text, tone = words.state(state, now_ms)
        yield Text(output.one_line(text), STYLES[tone])
        if isinstance(state, Dead):
            yield Text(
                output.one_line(shell.command(["hookbus-worker", "dlq", "show", state.letter, "--group", group])), "dim"
            )
    if left_out := words.left_out(found):
        yield Text(f"{left_out}: --all", "yellow")

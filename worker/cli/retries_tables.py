"""Tables of deliveries that wait for an attempt; they look as those of dead letters do."""

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from ...shared import output
from ..retries.plan import Cause
from ..retries.waiting import Waiting
from .dlq_tables import GAP, block, body_text, history, two_lines

MIN_ERROR: Final = 28
"""Columns left for what is next and the error: `attempt 10 in 59m, snoozed`. Ids are folded before."""


def deliveries(page: Sequence[Waiting], now_ms: int, *, is_filtered: bool) -> None:
    """Print a page."""
    if not page:
        print("nothing that waits matches" if is_filtered else "nothing waits for an attempt")
        return
    console = output.console()
    names = [_name(each) for each in page]
    longest = max(len(line) for name in names for line in name.plain.split("\n"))
    width = max(1, min(longest, console.width - MIN_ERROR - GAP))
    table = two_lines()
    table.add_column("DELIVERY", width=width, overflow="fold")
    table.add_column("NEXT ATTEMPT", width=max(1, console.width - width - GAP), overflow="ellipsis", no_wrap=True)
    for each, name in zip(page, names, strict=True):
        error = output.cell(each.last.error, "red") if each.last else Text("–")
        table.add_row(name, Text(f"{wait(each, now_ms)}\n") + error)
    console.print(table)


def _name(waiting: Waiting) -> Text:
    where = output.cell(f"{waiting.group} · {waiting.type}", "dim")
    return Text(f"{output.printable(waiting.entry.webhook_id)}\n  ") + where


def wait(waiting: Waiting, now_ms: int) -> str:
    """Which attempt is next, and when: `attempt 3 in 59s, parked`."""
    return f"attempt {waiting.entry.attempt} {due(waiting.due_ms, now_ms)}, {waiting.state}"


def due(due_ms: int, now_ms: int) -> str:
    """When an attempt is due: `in 12s`, or `due for 3m`."""
    if due_ms > now_ms:
        return f"in {output.age((due_ms - now_ms) / 1000)}"
    return f"due for {output.since(due_ms, now_ms)}"


def causes(rows: Sequence[Cause], now_ms: int) -> None:
    """Print what waits, by cause."""
    if not rows:
        print("nothing that waits matches")
        return
    table = two_lines()
    console = output.console()
    count = max(len("COUNT"), *(len(f"{cause.count:,}") for cause in rows))
    table.add_column("COUNT", width=count, justify="right")
    rest = max(1, console.width - count - GAP)
    table.add_column("LAST ERROR", width=rest, overflow="ellipsis", no_wrap=True)
    for cause in rows:
        error = ": ".join(filter(None, (cause.error_class, cause.message))) or "no attempt yet"
        states = ", ".join(f"{count:,} {state}" for state, count in cause.states.items())
        what = output.cell(error, "red") + Text("\n") + output.cell(f"{cause.group} · {cause.type}", "dim")
        table.add_row(f"{cause.count:,}", what + Text(f"\n{states}, the first {due(cause.next_due_ms, now_ms)}"))
    console.print(table)


def delivery(waiting: Waiting, now_ms: int) -> None:
    """Print everything about one delivery."""
    entry = waiting.entry
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    received = f"{output.moment(entry.received_at_ms)}, {output.since(entry.received_at_ms, now_ms)} ago"
    for name, text in (
        ("webhook-id", entry.webhook_id),
        ("type", waiting.type),
        ("group", waiting.group),
        ("source", entry.source),
        ("received", received),
        ("next", wait(waiting, now_ms)),
        ("due", output.moment(waiting.due_ms)),
        ("replay", "yes: the event had been delivered to the group before" if entry.is_replay else ""),
        ("traceparent", entry.traceparent),
    ):
        if text:
            table.add_row(name, Text(output.printable(text)))
    output.console().print(table)
    history(entry.history)
    block(f"body, {len(entry.body):,} bytes", body_text(entry.body))

"""Tables of deliveries that wait for an attempt; they look as those of dead letters do."""

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from ...shared import output, tables
from ...shared.tables import Column
from ..retries.plan import Cause
from ..retries.waiting import Waiting
from .dlq_tables import LEAST_NAME, block, body_text, history, short

MIN_ERROR: Final = 28
"""Columns left for what is next and the error: `attempt 10 in 59m, snoozed`. Ids are folded before."""


def deliveries(page: Sequence[Waiting], now_ms: int, *, is_filtered: bool) -> None:
    """Print a page."""
    if not page:
        print("nothing that waits matches" if is_filtered else "nothing waits for an attempt")
        return
    console = output.console()
    names = [_name(each) for each in page]
    columns = (Column("DELIVERY", least=LEAST_NAME), Column("NEXT ATTEMPT", least=MIN_ERROR))
    rows = []
    for each, name in zip(page, names, strict=True):
        error = short(each.last.error) if each.last else Text("–")
        rows.append((name, Text(f"{wait(each, now_ms)}\n") + error))
    console.print(tables.table(columns, rows, console.width))


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
    console = output.console()
    columns = (Column("COUNT", is_number=True), Column("LAST ERROR", least=MIN_ERROR))
    lines = []
    for cause in rows:
        error = ": ".join(filter(None, (cause.error_class, cause.message))) or "no attempt yet"
        states = ", ".join(f"{count:,} {state}" for state, count in cause.states.items())
        what = short(error) + Text("\n") + output.cell(f"{cause.group} · {cause.type}", "dim")
        lines.append((f"{cause.count:,}", what + Text(f"\n{states}, the first {due(cause.next_due_ms, now_ms)}")))
    console.print(tables.table(columns, lines, console.width))


def delivery(waiting: Waiting, now_ms: int) -> None:
    """Print everything about one delivery."""
    entry = waiting.entry
    received = f"{output.moment(entry.received_at_ms)}, {output.since(entry.received_at_ms, now_ms)} ago"
    rows = (
        ("webhook-id", entry.webhook_id),
        ("type", waiting.type),
        ("group", waiting.group),
        ("source", entry.source),
        ("received", received),
        ("next", wait(waiting, now_ms)),
        ("due", output.moment(waiting.due_ms)),
        ("replay", "yes: the event had been delivered to the group before" if entry.is_replay else ""),
        ("traceparent", entry.traceparent),
    )
    output.console().print(tables.pairs((name, output.printable(text)) for name, text in rows))
    history(entry.history)
    block(f"body, {len(entry.body):,} bytes", body_text(entry.body))

"""Tables of deliveries that wait for an attempt; they look as those of dead letters do."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from ...shared import output
from ..retries.plan import Cause
from ..retries.waiting import Waiting
from .dlq_tables import block, body_text, history, two_lines


def deliveries(page: Sequence[Waiting], now_ms: int, *, is_filtered: bool) -> None:
    """Print a page."""
    if not page:
        print("nothing that waits matches" if is_filtered else "nothing waits for an attempt")
        return
    table = two_lines()
    table.add_column("DELIVERY", overflow="fold")
    table.add_column("DUE", justify="right", no_wrap=True)
    table.add_column("LAST ERROR", overflow="ellipsis", no_wrap=True, ratio=1)
    for each in page:
        where = output.cell(f"{each.group} · {each.type}", "dim")
        name = Text(f"{output.printable(each.entry.webhook_id)}\n  ") + where
        error = output.cell(each.last.error, "red") if each.last else Text("–")
        what = Text(f"{each.state}, attempt {each.entry.attempt} is next\n") + error
        table.add_row(name, due(each.due_ms, now_ms), what)
    output.console().print(table)


def due(due_ms: int, now_ms: int) -> str:
    """When an attempt is due: `12s`, or since when, as `3m ago`."""
    if due_ms > now_ms:
        return f"in {output.age((due_ms - now_ms) / 1000)}"
    return f"{output.since(due_ms, now_ms)} ago"


def causes(rows: Sequence[Cause], now_ms: int) -> None:
    """Print what waits, by cause."""
    if not rows:
        print("nothing that waits matches")
        return
    table = two_lines()
    table.add_column("COUNT", justify="right", no_wrap=True)
    table.add_column("LAST ERROR", overflow="ellipsis", no_wrap=True, ratio=1)
    table.add_column("WAIT", no_wrap=True)
    table.add_column("NEXT DUE", justify="right", no_wrap=True)
    for cause in rows:
        error = ": ".join(filter(None, (cause.error_class, cause.message))) or "no attempt yet"
        what = output.cell(error, "red") + Text("\n") + output.cell(f"{cause.group} · {cause.type}", "dim")
        states = "\n".join(f"{count:,} {state}" for state, count in cause.states.items())
        table.add_row(f"{cause.count:,}", what, states, due(cause.next_due_ms, now_ms))
    output.console().print(table)


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
        ("state", f"{waiting.state}, attempt {entry.attempt} is next"),
        ("due", f"{output.moment(waiting.due_ms)}, {due(waiting.due_ms, now_ms)}"),
        ("replay", "yes: the event had been delivered to the group before" if entry.is_replay else ""),
        ("traceparent", entry.traceparent),
    ):
        if text:
            table.add_row(name, Text(output.printable(text)))
    output.console().print(table)
    history(entry.history)
    block(f"body, {len(entry.body):,} bytes", body_text(entry.body))

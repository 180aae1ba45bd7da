"""Tables of dead letters, two lines per row, so that ids are not cut at 80 columns."""

from collections.abc import Sequence
from typing import Final

import msgspec
from rich.table import Table
from rich.text import Text

from ...shared import output
from ...shared.entry import Failure
from ..dlq.causes import Summary
from ..dlq.query import StoredLetter

_AGE_WIDTH: Final = 4
GAP: Final = 2
_WIDEST_ID: Final = 52
"""Fits an OpenAI webhook-id followed by an entry id; longer ones are folded."""


def two_lines() -> Table:
    """A table whose rows take two lines."""
    return Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")


def letters(page: Sequence[StoredLetter], now_ms: int, others: int = 0) -> None:
    """Print a page of letters. `others`: the number of letters that do not match, when none does."""
    console = output.console()
    if not page:
        console.print(_none(others))
        return
    names = [Text(f"{output.printable(dead.name)}\n  ") + output.cell(where(dead), "dim") for dead in page]
    width = min(_WIDEST_ID, max(len(line) for text in names for line in text.plain.split("\n")))
    rest = max(20, console.width - width - _AGE_WIDTH - 2 * GAP)
    table = two_lines()
    table.add_column("LETTER", width=width, overflow="fold")
    table.add_column("AGE", width=_AGE_WIDTH, justify="right")
    table.add_column("REASON", width=rest, no_wrap=True, overflow="ellipsis")
    for dead, text in zip(page, names, strict=True):
        attempts = output.things(dead.letter.attempts, "attempt")
        cause = Text(f"{dead.letter.reason}, {attempts}\n") + output.cell(error(dead), "red")
        table.add_row(text, output.since(dead.dead_lettered_ms, now_ms), cause)
    console.print(table)


def _none(others: int) -> str:
    return f"none of {output.things(others, 'dead letter')} matches" if others else "no dead letters"


def where(dead: StoredLetter) -> str:
    """Group and type."""
    return f"{dead.group} · {dead.letter.type}"


def error(dead: StoredLetter) -> str:
    """Class and message."""
    return ": ".join(filter(None, (dead.letter.error_class, dead.letter.message)))


def summaries(rows: Sequence[Summary], now_ms: int, others: int = 0) -> None:
    """Print fingerprints with their counts; `others` as for `letters`."""
    console = output.console()
    if not rows:
        console.print(_none(others))
        return
    count = max(len("COUNT"), *(len(line) for summary in rows for line in _count(summary).split("\n")))
    table = two_lines()
    table.add_column("COUNT", width=count, justify="right")
    table.add_column("FINGERPRINT", no_wrap=True)
    rest = console.width - count - len("FINGERPRINT") - 2 * (_AGE_WIDTH + 1) - 4 * GAP
    table.add_column("CAUSE", width=max(20, rest), overflow="ellipsis", no_wrap=True)
    table.add_column("FIRST", justify="right")
    table.add_column("LAST", justify="right")
    for summary in rows:
        kind = summary.kind
        cause = output.cell(": ".join(filter(None, (kind.error_class, kind.message))), "red")
        place = " · ".join(filter(None, (summary.group, kind.type)))
        reason = " · ".join(filter(None, (kind.reason, kind.frame)))
        what = cause + Text("\n") + output.cell(place, "dim") + Text("\n") + output.cell(reason, "dim")
        ages = (output.since(summary.first_ms, now_ms), output.since(summary.last_ms, now_ms))
        table.add_row(_count(summary), summary.fingerprint, what, *ages)
    console.print(table)


def _count(summary: Summary) -> str:
    """The number of letters, and below it that of the last hour."""
    trend = f"\n+{summary.last_hour:,}/h" if summary.last_hour else ""
    return f"{summary.count:,}{trend}"


def letter(dead: StoredLetter, now_ms: int) -> None:
    """Print everything about one letter."""
    record = dead.letter
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, GAP, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in (
        ("letter", dead.name),
        ("webhook-id", record.webhook_id),
        ("type", record.type),
        ("group", record.group),
        ("source", record.source),
        ("received", f"{output.moment(record.received_at_ms)}, {output.since(record.received_at_ms, now_ms)} ago"),
        (
            "dead since",
            f"{output.moment(record.dead_lettered_at_ms)}, {output.since(record.dead_lettered_at_ms, now_ms)} ago",
        ),
        ("reason", f"{record.reason}, {output.things(record.attempts, 'attempt')}"),
        ("replay", "yes: the event had been delivered to the group before" if record.is_replay else ""),
        ("error", error(dead)),
        ("frame", record.frame),
        ("fingerprint", record.fingerprint),
        ("traceparent", record.traceparent),
    ):
        if text:
            table.add_row(name, Text(output.printable(text)))
    console = output.console()
    console.print(table)
    history(record.history)
    block("traceback", record.traceback.rstrip())
    block(f"body, {len(record.body):,} bytes", body_text(record.body))


def history(failures: Sequence[Failure]) -> None:
    """Print the attempts of a delivery."""
    if not failures:
        return
    table = two_lines()
    table.add_column("ATTEMPT", justify="right")
    table.add_column("ENDED", no_wrap=True)
    table.add_column("TOOK", justify="right", no_wrap=True)
    table.add_column("ERROR / CONSUMER", overflow="fold")
    for failure in failures:
        what = output.cell(failure.error, "red") + Text("\n") + output.cell(failure.consumer, "dim")
        attempt = str(failure.attempt)
        if failure.times > 1:
            attempt += f" (×{failure.times:,} in {output.since(failure.since_ms, failure.at_ms)})"
        table.add_row(attempt, output.moment(failure.at_ms), output.took(failure.duration_ms), what)
    output.console().print(Text("\nhistory", "bold"))
    output.console().print(table)


def block(title: str, text: str) -> None:
    """Print a text under a title. Its lines are not wrapped: what is copied from a terminal is what was printed."""
    if text:
        output.console().print(Text(f"\n{title}", "bold"))
        print(output.printable(text))


def body_text(body: bytes) -> str:
    """JSON is indented, other text is unchanged."""
    if not body:
        return "(empty)"
    try:
        return msgspec.json.format(body.decode(), indent=2)
    except UnicodeDecodeError:
        return "not text; --body writes it"
    except (msgspec.DecodeError, RecursionError):
        return body.decode()


def unreadable(found: Sequence[str], *, as_json: bool) -> None:
    """Print the names of records that were skipped because this release cannot read them."""
    if found:
        names = ", ".join(map(output.line, found[:5])) + (", …" if len(found) > 5 else "")
        output.note(f"{output.things(len(found), 'record')} not readable by this release: {names}", as_json=as_json)

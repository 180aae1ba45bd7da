"""Tables of dead letters, several lines per row, so that ids are not cut at 80 columns, and nothing is lost at 45."""

from collections.abc import Sequence
from typing import Final

import msgspec
from rich.text import Text

from ...shared import output, tables
from ...shared.entry import Failure
from ...shared.tables import Column
from ..dlq.causes import Summary
from ..dlq.query import StoredLetter

LEAST_NAME: Final = 16
"""Columns for an id, in the narrowest terminals."""
LEAST_CAUSE: Final = 20
MOST_ERROR: Final = 160
"""Characters of an error in a table, three lines of half a terminal; `show` prints all."""


def letters(page: Sequence[StoredLetter], now_ms: int, others: int = 0) -> None:
    """Print a page of letters. `others`: the number of letters that do not match, when none does."""
    console = output.console()
    if not page:
        console.print(_none(others))
        return
    names = [Text(f"{output.printable(dead.name)}\n  ") + output.cell(where(dead), "dim") for dead in page]
    columns = (Column("LETTER", least=LEAST_NAME), Column("AGE", is_number=True), Column("REASON", least=LEAST_CAUSE))
    rows = []
    for dead, text in zip(page, names, strict=True):
        attempts = output.things(dead.letter.attempts, "attempt")
        cause = Text(f"{dead.letter.reason}, {attempts}\n") + short(error(dead))
        rows.append((text, output.since(dead.dead_lettered_ms, now_ms), cause))
    console.print(tables.table(columns, rows, console.width))


def _none(others: int) -> str:
    return f"none of {output.things(others, 'dead letter')} matches" if others else "no dead letters"


def where(dead: StoredLetter) -> str:
    """Group and type."""
    return f"{dead.group} · {dead.letter.type}"


def short(text: str) -> Text:
    """The beginning of an error."""
    line = output.line(text)
    return Text(line if len(line) <= MOST_ERROR else f"{line[: MOST_ERROR - 1]}…", "red")


def error(dead: StoredLetter) -> str:
    """Class and message."""
    return ": ".join(filter(None, (dead.letter.error_class, dead.letter.message)))


def summaries(rows: Sequence[Summary], now_ms: int, others: int = 0) -> None:
    """Print fingerprints with their counts; `others` as for `letters`."""
    console = output.console()
    if not rows:
        console.print(_none(others))
        return
    columns = (Column("COUNT", is_number=True), Column("FINGERPRINT"), Column("CAUSE", least=LEAST_CAUSE))
    lines = []
    for summary in rows:
        kind = summary.kind
        cause = short(": ".join(filter(None, (kind.error_class, kind.message))))
        place = " · ".join(filter(None, (summary.group, kind.type)))
        reason = " · ".join(filter(None, (kind.reason, kind.frame)))
        what = cause + Text("\n") + output.cell(place, "dim") + Text("\n") + output.cell(reason, "dim")
        first, last = output.since(summary.first_ms, now_ms), output.since(summary.last_ms, now_ms)
        ages = Text(f"\nfirst {first}\nlast {last}", "dim")
        lines.append((_count(summary), Text(summary.fingerprint) + ages, what))
    console.print(tables.table(columns, lines, console.width))


def _count(summary: Summary) -> str:
    """The number of letters, and below it that of the last hour."""
    trend = f"\n+{summary.last_hour:,}/h" if summary.last_hour else ""
    return f"{summary.count:,}{trend}"


def letter(dead: StoredLetter, now_ms: int) -> None:
    """Print everything about one letter."""
    record = dead.letter
    rows = (
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
    )
    output.console().print(tables.pairs((name, output.printable(text)) for name, text in rows))
    history(record.history)
    block("traceback", record.traceback.rstrip())
    block(f"body, {len(record.body):,} bytes", body_text(record.body))


def history(failures: Sequence[Failure]) -> None:
    """Print the attempts of a delivery."""
    if not failures:
        return
    columns = (
        Column("ATTEMPT", is_number=True),
        Column("ENDED", least=13, goes=1),  # a date above a time
        Column("TOOK", is_number=True, goes=2),
        Column("ERROR / CONSUMER", least=LEAST_CAUSE),
    )
    rows = []
    for failure in failures:
        what = output.cell(failure.error, "red") + Text("\n") + output.cell(failure.consumer, "dim")
        attempt = str(failure.attempt)
        if failure.times > 1:
            attempt += f"\n×{failure.times:,} in {output.since(failure.since_ms, failure.at_ms)}"
        rows.append((attempt, output.moment(failure.at_ms), output.took(failure.duration_ms), what))
    console = output.console()
    console.print(Text("\nhistory", "bold"))
    console.print(tables.table(columns, rows, console.width))


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

"""`dlq list`, `groups` and `show`: queries that change nothing."""

from pathlib import Path

from ...shared import output
from ...shared.clock import now_ms
from ...shared.command import FailedError
from ..dlq import jsonl
from ..dlq.causes import Summary
from ..dlq.filter import Filter
from ..dlq.query import DeadLetters
from . import dlq_tables, options


async def show_list(config: Path | None, criteria: Filter, limit: int, as_json: bool) -> None:
    """Print the newest letters, and the number of those not shown."""
    async with options.dead_letters(config) as (_, store):
        page = await store.page(criteria, limit)
        others = 0 if page.total else await store.count(Filter())
    for dead in page.letters if as_json else ():
        output.print_json(jsonl.summary(dead.name, dead.letter))
    if not as_json:
        dlq_tables.letters(page.letters, now_ms(), others)
    _print_more(len(page.letters), page.total, "dead letter", as_json)
    warn_unreadable(store, as_json)


async def show_groups(config: Path | None, criteria: Filter, limit: int, as_json: bool) -> None:
    """Print letters by fingerprint."""
    async with options.dead_letters(config) as (_, store):
        summaries = await store.summaries(criteria)
        others = 0 if summaries else await store.count(Filter())
    for summary in summaries[:limit] if as_json else ():
        output.print_json(fields(summary))
    if not as_json:
        dlq_tables.summaries(summaries[:limit], now_ms(), others)
    _print_more(min(limit, len(summaries)), len(summaries), "fingerprint", as_json)
    warn_unreadable(store, as_json)


async def show_one(config: Path | None, criteria: Filter, only_body: bool, as_json: bool) -> None:
    """Print one letter. Raises FailedError when it does not exist, or exists in several groups."""
    async with options.dead_letters(config) as (_, store):
        letters = await store.find(criteria)
    if not letters:
        raise FailedError(f"{criteria.names[0]}: this release cannot read the record, or it was removed just now")
    if len(letters) > 1:
        groups = ", ".join(sorted(dead.group for dead in letters))
        raise FailedError(f"{criteria.names[0]} is a dead letter of several groups: {groups}; choose one with --group")
    dead = letters[0]
    if only_body:
        output.bytes_out().write(dead.letter.body)
    elif as_json:
        output.print_json(jsonl.fields(dead.name, dead.letter))
    else:
        dlq_tables.letter(dead, now_ms())


def fields(summary: Summary) -> dict[str, str | int]:
    """The JSON of one fingerprint."""
    return {
        "fingerprint": summary.fingerprint,
        "group": summary.group,
        "count": summary.count,
        "type": summary.kind.type,
        "reason": summary.kind.reason,
        "error_class": summary.kind.error_class,
        "frame": summary.kind.frame,
        "message": summary.kind.message,
        "first_dead_lettered_at_ms": summary.first_ms,
        "last_dead_lettered_at_ms": summary.last_ms,
        "last_hour": summary.last_hour,
    }


def _print_more(shown: int, total: int, thing: str, as_json: bool) -> None:
    if total > shown:
        text = f"{total - shown:,} more; all: --limit {total}" if total <= 10_000 else f"{total - shown:,} more"
        text = f"{output.things(shown, thing)} shown, {text}"
        if as_json:
            output.note(text, as_json=True)
        else:
            print(text)


def warn_unreadable(store: DeadLetters, as_json: bool = False) -> None:
    """Print the records that were skipped because this release cannot read them."""
    dlq_tables.unreadable(store.unreadable, as_json=as_json)

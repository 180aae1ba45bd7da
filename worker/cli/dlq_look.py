"""`dlq list`, `groups` and `show`: queries that change nothing."""

from pathlib import Path
from typing import Final

import typer
from msgspec.structs import replace

from ...shared import output, shell
from ...shared.clock import now_ms
from ...shared.command import FailedError
from ..dlq import jsonl, possible
from ..dlq.causes import Summary
from ..dlq.filter import Filter
from ..dlq.query import DeadLetters
from . import dlq_tables, options

FEW: Final = 5
"""Names listed where one is meant."""


async def show_list(config: Path | None, criteria: Filter, limit: int, before: str, as_json: bool) -> None:
    """Print the newest letters, or those before a place, and how to continue."""
    async with options.dead_letters(config) as (client, store):
        await possible.require(client, store, criteria.types)
        page = await store.page(criteria, limit, place_of("--before", before) if before else None)
        others = 0 if page.total else await store.count(Filter())
    for dead in page.letters if as_json else ():
        output.print_json(jsonl.summary(dead.name, dead.letter))
    if not as_json:
        dlq_tables.letters(page.letters, now_ms(), others)
    if page.last:
        text = f"{limit:,} of {output.things(page.total, 'dead letter')} shown; more:\n  "
        _print_note(text + shell.command(("--before", f"{page.last[0]},{page.last[1]}")), as_json)
    warn_unreadable(store, as_json)


def place_of(option: str, text: str) -> tuple[int, str]:
    """The time and name that a list has named. Raises typer.BadParameter."""
    ms, _, name = text.partition(",")
    if not (ms.isdecimal() and name):
        raise typer.BadParameter("not a value that a list has named", param_hint=option)
    return int(ms), name


async def show_groups(config: Path | None, criteria: Filter, limit: int, as_json: bool) -> None:
    """Print letters by fingerprint."""
    async with options.dead_letters(config) as (client, store):
        await possible.require(client, store, criteria.types)
        summaries = await store.summaries(criteria)
        others = 0 if summaries else await store.count(Filter())
    for summary in summaries[:limit] if as_json else ():
        output.print_json(fields(summary))
    if not as_json:
        dlq_tables.summaries(summaries[:limit], now_ms(), others)
    if len(summaries) > limit:
        _print_note(f"{limit:,} of {len(summaries):,} fingerprints shown", as_json)
    warn_unreadable(store, as_json)


async def show_one(config: Path | None, criteria: Filter, only_body: bool, as_json: bool) -> None:
    """Print one letter, by its name or the beginning of it. Raises FailedError when there is none, or several."""
    async with options.dead_letters(config) as (_, store):
        letters = await store.find(replace(criteria, names=(await _whole_name(store, criteria),)))
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


async def _whole_name(store: DeadLetters, criteria: Filter) -> str:
    """The name that begins so; the name itself if there is such a letter, or none that begins so."""
    [name] = criteria.names
    found = await store.named(name, replace(criteria, names=()), FEW)
    if name in found or not found:
        return name
    if len(found) > 1:
        more = ", …" if len(found) == FEW else ""
        raise FailedError(f"several dead letters begin so: {', '.join(map(output.line, found))}{more}")
    return found[0]


def _print_note(text: str, as_json: bool) -> None:
    if as_json:
        output.note(text, as_json=True)
    else:
        print(text)


def warn_unreadable(store: DeadLetters, as_json: bool = False) -> None:
    """Print the records that were skipped because this release cannot read them."""
    dlq_tables.unreadable(store.unreadable, as_json=as_json)

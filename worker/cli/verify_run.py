"""`hookbus-worker verify` at the terminal: a progress bar, and the report for people or programs."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ...shared import output
from ...shared.command import EXIT_FAILED, EXIT_INTERRUPTED, Stopping, run_service
from ...shared.connection import connect
from ..settings import WorkerSettings
from ..verify.ledger import Ledger
from ..verify.report import Percentiles, Report
from ..verify.run import Verification
from ..verify.send import Plan
from . import options

MAX_LINES: Final = 20
"""Webhook-ids of a kind that are shown to people: a screenful. --json has more."""


def run(settings: WorkerSettings, plan: Plan, wait_s: float, as_json: bool) -> int:
    """Verify, print the report, and return the exit code. Raises FailedError, ConfigError, RedisError, OSError."""
    found: list[Report] = []

    async def until_done(stopping: Stopping) -> None:
        found.append(await _run(settings, plan, wait_s, stopping))

    run_service(until_done)
    [report] = found
    if as_json:
        output.print_json(report)
    else:
        _print(report)
    if report.is_interrupted:
        return EXIT_INTERRUPTED
    return 0 if report.is_proof else EXIT_FAILED


async def _run(settings: WorkerSettings, plan: Plan, wait_s: float, stopping: Stopping) -> Report:
    client = connect(settings.address(), "hookbus-worker:verify", connections=options.CONNECTIONS)
    console = output.console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            accepted, handled = (progress.add_task(what, total=plan.count) for what in ("accepted", "handled"))

            def show(ledger: Ledger) -> None:
                progress.update(accepted, completed=ledger.accepted)
                progress.update(handled, completed=ledger.handled)

            return await (await Verification.open(client, settings, plan)).run(wait_s, stopping, show)
    finally:
        await client.aclose()


def _print(found: Report) -> None:
    rate = found.posted / found.took_s if found.took_s else 0.0
    print(f"{output.things(found.posted, 'event')} to {found.url} in {found.took_s:.1f} s ({rate:.0f}/s)")
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(justify="right")
    for number, what in _counts(found):
        table.add_row(f"{number:,}", output.cell(what))
    output.console().print(table)
    print(f"post to 200     {_ranks(found.accept_ms)}")
    print(f"200 to handled  {_ranks(found.delay_ms)}")
    _name("missing", [f"{lost.webhook_id}  {lost.where}" for lost in found.missing_ids], found.missing)
    _name("handled more than once", found.duplicate_ids, found.duplicate)
    _name("never accepted", found.refused_ids, found.refused)
    _name("unknown", found.unknown_ids, found.unknown)
    for hint in found.hints:
        print(f"hint: {output.line(hint)}")
    if found.swept:
        print(f"removed what {output.things(len(found.swept), 'earlier run')} left: {', '.join(found.swept)}")
    if found.left:
        print(f"not removed: {output.line(found.left)}")
    print(_verdict(found))


def _counts(found: Report) -> Iterator[tuple[int, str]]:
    yield found.accepted, "accepted"
    yield found.handled, "handled"
    yield found.missing, "missing: accepted, not handled"
    yield found.duplicate, "handled more than once, which at least once allows"
    yield found.refused, "never accepted"
    yield found.unknown, "unknown: posted, not answered; may be stored"
    for told, posts in found.answers.items():
        if told not in ("200 accepted", "200 duplicate"):
            yield posts, f"posts answered {told}" if told[0] != "0" else f"posts with {told[2:].replace('_', ' ')}"


def _ranks(ms: Percentiles) -> str:
    return f"p50 {ms.p50:,.1f} ms, p95 {ms.p95:,.1f} ms, p99 {ms.p99:,.1f} ms, max {ms.max:,.1f} ms"


def _name(what: str, names: Sequence[str], count: int) -> None:
    for name in names[:MAX_LINES]:
        print(f"{what}: {output.line(name)}")
    if count > MAX_LINES:
        print(f"{what}: and {count - MAX_LINES:,} more; --json names {len(names):,}")


def _verdict(found: Report) -> str:
    if found.is_interrupted:
        return "interrupted: this proves nothing"
    if found.is_proof:
        return "nothing is missing"
    if found.missing:
        return f"{output.things(found.missing, 'event')} missing"
    if found.handled < found.count:
        return f"nothing that was accepted is missing; {found.count - found.handled:,} could not be posted"
    return "nothing is missing, but something is left"

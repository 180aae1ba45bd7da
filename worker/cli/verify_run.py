"""Runs `hookbus-worker verify`: shows a progress bar, and prints the report as text or JSON."""

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
"""Webhook-ids of a kind in the text report: a screenful. --json has more."""


def run(settings: WorkerSettings, plan: Plan, wait_s: float, as_json: bool) -> int:
    """Verify, print the report, and return the exit code. Raises FailedError, ConfigError, RedisError, OSError."""
    report = run_service(lambda stopping: _run(settings, plan, wait_s, stopping))
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


def _print(report: Report) -> None:
    rate = report.posted / report.took_s if report.took_s else 0.0
    print(f"{output.things(report.posted, 'event')} to {report.url} in {report.took_s:.1f} s ({rate:.0f}/s)")
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(justify="right")
    for number, what in _counts(report):
        table.add_row(f"{number:,}", output.cell(what))
    output.console().print(table)
    print(f"post to 200     {_ranks(report.accept_ms)}")
    print(f"200 to handled  {_ranks(report.delay_ms)}")
    _name("missing", [f"{lost.webhook_id}  {lost.where}" for lost in report.missing_ids], report.missing)
    _name("handled more than once", report.duplicate_ids, report.duplicate)
    _name("never accepted", report.refused_ids, report.refused)
    _name("unknown", report.unknown_ids, report.unknown)
    for hint in report.hints:
        print(f"hint: {output.line(hint)}")
    if report.swept:
        print(f"removed the data of {output.things(len(report.swept), 'earlier run')}: {', '.join(report.swept)}")
    if report.left:
        print(f"not removed: {output.line(report.left)}")
    print(_verdict(report))


def _counts(report: Report) -> Iterator[tuple[int, str]]:
    yield report.accepted, "accepted"
    yield report.handled, "handled"
    yield report.missing, "missing: accepted, not handled"
    yield report.duplicate, "handled more than once, which at-least-once delivery allows"
    yield report.refused, "never accepted"
    yield report.unknown, "unknown: posted without an answer; may be stored"
    for answer, posts in report.answers.items():
        if answer not in ("200 accepted", "200 duplicate"):
            yield (
                posts,
                f"posts answered {answer}" if answer[0] != "0" else f"posts with {answer[2:].replace('_', ' ')}",
            )


def _ranks(ms: Percentiles) -> str:
    return f"p50 {ms.p50:,.1f} ms, p95 {ms.p95:,.1f} ms, p99 {ms.p99:,.1f} ms, max {ms.max:,.1f} ms"


def _name(what: str, names: Sequence[str], count: int) -> None:
    for name in names[:MAX_LINES]:
        print(f"{what}: {output.line(name)}")
    if count > MAX_LINES:
        print(f"{what}: and {count - MAX_LINES:,} more; --json names {len(names):,}")


def _verdict(report: Report) -> str:
    if report.is_interrupted:
        return "interrupted: this proves nothing"
    if report.is_proof:
        return "nothing is missing"
    if report.missing:
        return f"{output.things(report.missing, 'event')} missing"
    if report.handled < report.count:
        return f"nothing that was accepted is missing; {report.count - report.handled:,} were not accepted"
    return "nothing is missing, but the run's data was not removed"

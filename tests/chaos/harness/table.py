"""The output of `make chaos`."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from tests.chaos.harness.runner import Result
from tests.chaos.harness.scenario import Scenario

_ROW = "{:<18} {:>8} {:>9} {:>9} {:>6} {:>5} {:>5} {:>9} {:>6}  {}"


def print_scenarios(scenarios: Iterable[Scenario]) -> None:
    """Print names and guarded promises."""
    for scenario in scenarios:
        print(f"{scenario.name:<18} {scenario.guards}")


def print_head(seed: int) -> None:
    """Print the first lines."""
    print(f"seed {seed}")
    print(_ROW.format("SCENARIO", "EVENTS", "HANDLED", "DUPLICATE", "DEAD", "LOST", "", "TAKEOVER", "TIME", ""))


def print_start(name: str) -> None:
    """Print the current scenario on a terminal, until its row replaces it."""
    if sys.stdout.isatty():
        print(f"{name:<18} …", end="\r", flush=True)


def print_result(result: Result) -> None:
    """Print one row, with further figures or the failure."""
    report = result.report
    takeover = "–" if report.max_takeover_s is None else f"{report.max_takeover_s:.1f} s"
    facts = ", ".join(f"{name} {figure}" for name, figure in report.facts.items())
    row = (report.events, report.handled, report.duplicates, report.dead, report.lost)
    remark = result.why if result.outcome == "skipped" else facts
    figures = [f"{figure:,}" for figure in row]
    print(_ROW.format(result.name, *figures, result.outcome, takeover, f"{result.seconds:.0f} s", remark), flush=True)
    if result.outcome == "failed":
        print(f"  {result.why}\n{result.trace}  logs, journal and data: {result.folder}", flush=True)


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """The object of the last line."""
    takeovers = [r.report.max_takeover_s for r in results if r.report.max_takeover_s is not None]
    return {
        "chaos": "failed" if any(result.outcome == "failed" for result in results) else "ok",
        "scenarios": sum(result.outcome != "skipped" for result in results),
        "events": sum(result.report.events for result in results),
        "lost": sum(result.report.lost for result in results),
        "duplicates": sum(result.report.duplicates for result in results),
        "max_takeover_s": round(max(takeovers), 2) if takeovers else None,
    }

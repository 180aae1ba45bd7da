"""Runs one scenario on a fresh stage and returns its result."""

import asyncio
import shutil
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from tests.chaos.harness.ledger import Report
from tests.chaos.harness.scenario import Scenario
from tests.chaos.harness.stage import Stage
from tests.programs import ROOT
from tests.tools import MissingError

FAILED_RUNS: Final = ROOT / ".hookbus" / "chaos"
"""The folder for logs, journal and data of failed scenarios."""

LIMIT_S: Final = 400.0
"""Far more than any scenario takes; one that waits for ever has failed too."""
SHORT_LIMIT_S: Final = 150.0


@dataclass(slots=True)
class Result:
    """The result of a scenario. `why` is the reason of a failure or a skip, `missing` the tool that was missing,
    `trace` the traceback of a failure, `folder` its logs, journal and data."""

    name: str
    outcome: Literal["ok", "failed", "skipped"]
    seconds: float
    report: Report = field(default_factory=Report)
    why: str = ""
    missing: str = ""
    trace: str = ""
    folder: Path | None = None


async def run(scenario: Scenario, seed: int, *, is_short: bool) -> Result:
    """Run a scenario. Every exception in it is its failure; cancellation passes through, and leaves nothing."""
    with tempfile.TemporaryDirectory(prefix=f"hookbus-chaos-{scenario.name}-", ignore_cleanup_errors=True) as folder:
        return await _run(scenario, Path(folder), seed, is_short=is_short)


async def _run(scenario: Scenario, folder: Path, seed: int, *, is_short: bool) -> Result:
    began_at = time.monotonic()
    result = Result(scenario.name, "ok", 0.0)
    async with Stage(folder, seed, is_short=is_short) as stage:
        try:
            async with asyncio.timeout(SHORT_LIMIT_S if is_short else LIMIT_S):
                await scenario.drive(stage)
            stage.check_logs()
        except MissingError as missing:
            result.outcome, result.why, result.missing = "skipped", str(missing), missing.name
        except Exception as error:
            result.outcome, result.why = "failed", str(error) or type(error).__name__
            result.trace = traceback.format_exc()
        result.report = stage.ledger.report()
        if result.outcome == "ok" and result.report.lost:
            result.outcome, result.why = "failed", f"{result.report.lost} deliveries lost"
    if result.outcome == "failed":
        stage.save_logs()
        result.folder = FAILED_RUNS / f"{scenario.name}-{seed}"
        shutil.rmtree(result.folder, ignore_errors=True)
        shutil.copytree(folder, result.folder, ignore_dangling_symlinks=True)
    result.seconds = time.monotonic() - began_at
    return result

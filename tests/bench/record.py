"""The results of a run: `results.json`, charts, and the last line."""

import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from tests.bench import load, report
from tests.bench.figures import Answer, Goal
from tests.bench.question import KEYS
from tests.peers.environment import python_of
from tests.programs import ROOT

FULL_RUN: Final = Path(__file__).parent
"""Folder of a full run: the record that the README shows."""
PARTIAL_RUN: Final = ROOT / ".bench" / "partial"
"""Folder of a run of some questions, or of few rounds."""


def write(answers: Sequence[Answer], goals: Mapping[str, Goal | None], *, is_full: bool) -> Path:
    """Write results.json and the charts, and after a full run the README's part. Returns the folder."""
    folder = FULL_RUN if is_full else PARTIAL_RUN
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "results.json"
    results = {
        "measured_at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": machine(),
        "answers": [asdict(answer) | {"goal": _goal(goals[answer.key])} for answer in in_order(answers)],
    }
    file.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    draw(file, folder / "charts")
    if is_full:
        report.update(FULL_RUN / "README.md", results)
    return folder


def draw(results: Path, folder: Path) -> None:
    """Draw the charts, in a separate environment. Raises CalledProcessError."""
    python = python_of("charts", ("matplotlib==3.11.2",))
    script = Path(__file__).parent / "draw.py"
    subprocess.run([str(python), str(script), str(results), str(folder)], check=True)


def last_line(answers: Sequence[Answer]) -> dict[str, Any]:
    """Key → figure, or name → figure for an answer with parts; rounded."""
    return {
        answer.key: {name: rounded(part) for name, part in answer.parts.items()}
        if answer.parts
        else rounded(answer.value)
        for answer in in_order(answers)
    }


def in_order(answers: Sequence[Answer]) -> list[Answer]:
    """The answers in the order of the keys."""
    return sorted(answers, key=lambda answer: KEYS.index(answer.key))


def rounded(figure: float) -> float:
    """To four significant digits."""
    return float(f"{figure:.4g}")


def machine() -> dict[str, Any]:
    """The machine and software of the run."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": "wrk" if load.generator() else "the bundled generator",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _goal(goal: Goal | None) -> dict[str, Any] | None:
    return asdict(goal) if goal else None

"""What a run leaves: `results.json`, charts, and the last line."""

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from tests.bench.figures import Answer, Goal
from tests.bench.question import KEYS
from tests.programs import ROOT

KEPT: Final = Path(__file__).parent
"""Where a full run writes: it is the record that the README shows."""
PASSING: Final = ROOT / ".bench" / "partial"
"""Where a run of some questions, or of few rounds, writes."""


def write(answers: Sequence[Answer], goals: Mapping[str, Goal | None], *, is_full: bool) -> Path:
    """Write results.json; its path."""
    folder = KEPT if is_full else PASSING
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "results.json"
    told = {
        "measured_at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": machine(),
        "answers": [asdict(answer) | {"goal": _goal(goals[answer.key])} for answer in in_order(answers)],
    }
    file.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    return file


def last_line(answers: Sequence[Answer]) -> dict[str, Any]:
    """Key → figure, three digits of which count; what has parts is told by part."""
    return {
        answer.key: {name: rounded(part) for name, part in answer.parts.items()}
        if answer.parts
        else rounded(answer.value)
        for answer in in_order(answers)
    }


def in_order(answers: Sequence[Answer]) -> list[Answer]:
    """As the keys are listed."""
    return sorted(answers, key=lambda answer: KEYS.index(answer.key))


def rounded(figure: float) -> float:
    """To four digits that count."""
    return float(f"{figure:.4g}")


def machine() -> dict[str, Any]:
    """What it was measured on."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
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

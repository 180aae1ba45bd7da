"""The output of `make bench`."""

import traceback
from collections.abc import Iterable

from tests.bench.figures import Answer, Goal
from tests.bench.question import Question


def print_list(questions: Iterable[Question]) -> None:
    """Keys, goals and questions; a star for those of QUICK=1."""
    for question in questions:
        for key, goal in question.goals.items():
            print(f"{'*' if question.is_starred else ' '} {key:<26} {shown_goal(goal):<10} {question.asks}")


def print_question(question: Question) -> None:
    """The question that is measured now."""
    print(f"\n{', '.join(question.goals)}: {question.asks}", flush=True)


def print_round(number: int, figures: dict[str, float]) -> None:
    """The figures of one round; round 0 holds figures measured before, each side alone."""
    row = "".join(f"  {name} {shown(figure):>9}" for name, figure in figures.items())
    print(f"  {f'round {number}' if number else 'alone':<8}{row}", flush=True)


def print_answer(answer: Answer, goal: Goal | None) -> None:
    """The answer of a key, and whether it meets its goal."""
    sides = ", ".join(f"{side.name} {shown(side.median)}" for side in answer.series)
    verdict = "" if goal is None else f"; goal {shown_goal(goal)}, {'met' if goal.is_met(answer.value) else 'missed'}"
    spread = "" if answer.low == answer.high else f" ({shown(answer.low)} to {shown(answer.high)})"
    print(f"  {answer.key} {shown(answer.value)}{spread}{verdict}; median {answer.unit}: {sides}", flush=True)
    if answer.note:
        print(f"    {answer.note}", flush=True)


def print_failure() -> None:
    """The reason why a question has no answer."""
    print(f"  could not be measured:\n{traceback.format_exc()}", flush=True)


def shown(figure: float) -> str:
    """A figure with three significant digits."""
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"


def shown_goal(goal: Goal | None) -> str:
    """A goal, such as `≥ 0.75`."""
    if goal is None:
        return "report"
    return f"{'≥' if goal.bound == 'at least' else '≤'} {goal.figure:g}"

"""`make bench`: asks questions one after the other, prints tables, and one JSON object as the last line.

python -m tests.bench [--quick] [--only KEY,KEY] [--rounds N] [--list]
"""

import argparse
import json
import sys
from collections.abc import Sequence

import uvloop

from tests.bench import question, record, table
from tests.bench.figures import Answer
from tests.bench.question import Question
from tests.bench.stage import ROUNDS, Stage


def main() -> int:
    """Run the bench. Returns 0 when every key was measured, even if a goal is missed, else 1."""
    parser = argparse.ArgumentParser(prog="make bench", description="Ratios of two things measured in turn.")
    parser.add_argument("--quick", action="store_true", help="the starred questions, in short rounds")
    parser.add_argument("--only", default="", help="keys, separated by commas")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="pairs of each question")
    parser.add_argument("--list", action="store_true", help="list keys, goals and questions")
    options = parser.parse_args()
    questions = question.every()
    if options.list:
        table.print_list(questions)
        return 0
    keys = [key for key in options.only.split(",") if key]
    if unknown := [key for key in keys if key not in question.KEYS]:
        parser.error(f"no key {', '.join(unknown)}; there are {', '.join(question.KEYS)}")
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    chosen = [
        item for item in questions if (set(keys) & set(item.goals) if keys else item.is_starred or not options.quick)
    ]
    answers = uvloop.run(ask(chosen, is_quick=options.quick, rounds=options.rounds))
    is_full = len(answers) == len(question.KEYS) and not options.quick and options.rounds >= ROUNDS
    goals = {key: goal for item in chosen for key, goal in item.goals.items()}
    print(f"\nresults.json and charts are in {record.write(answers, goals, is_full=is_full)}", flush=True)
    print(json.dumps(record.last_line(answers)), flush=True)
    return 0 if {answer.key for answer in answers} == goals.keys() else 1


async def ask(chosen: Sequence[Question], *, is_quick: bool, rounds: int) -> list[Answer]:
    """Measure each question in turn, on its own stage. A failed question does not stop the others."""
    answers: list[Answer] = []
    for item in chosen:
        table.print_question(item)
        try:
            async with Stage(table.print_round, is_quick=is_quick, rounds=rounds) as stage:
                measured = await item.measure(stage)
        except Exception:
            table.print_failure()
            continue
        for answer in measured:
            table.print_answer(answer, item.goals[answer.key])
        answers += measured
    return answers


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

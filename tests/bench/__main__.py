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
    """The exit code: 0 when everything was measured, whatever came of it; 1 when something could not be."""
    parser = argparse.ArgumentParser(prog="make bench", description="Ratios of two things measured in turn.")
    parser.add_argument("--quick", action="store_true", help="the starred questions, in short rounds")
    parser.add_argument("--only", default="", help="keys, separated by commas")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="pairs of each question")
    parser.add_argument("--list", action="store_true", help="what there is")
    options = parser.parse_args()
    known = question.every()
    if options.list:
        table.print_known(known)
        return 0
    keys = [key for key in options.only.split(",") if key]
    if unknown := [key for key in keys if key not in question.KEYS]:
        parser.error(f"no key {', '.join(unknown)}; there are {', '.join(question.KEYS)}")
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    chosen = [one for one in known if (set(keys) & set(one.goals) if keys else one.is_starred or not options.quick)]
    answers = uvloop.run(ask(chosen, is_quick=options.quick, rounds=options.rounds))
    is_full = len(answers) == len(question.KEYS) and not options.quick and options.rounds >= ROUNDS
    goals = {key: goal for one in chosen for key, goal in one.goals.items()}
    print(f"\nresults.json and charts are in {record.write(answers, goals, is_full=is_full)}", flush=True)
    print(json.dumps(record.last_line(answers)), flush=True)
    return 0 if {answer.key for answer in answers} == goals.keys() else 1


async def ask(chosen: Sequence[Question], *, is_quick: bool, rounds: int) -> list[Answer]:
    """Measure one after the other, each on a stage of its own. One that fails does not take the others with it."""
    answers: list[Answer] = []
    for one in chosen:
        table.print_question(one)
        try:
            async with Stage(table.print_round, is_quick=is_quick, rounds=rounds) as stage:
                found = await one.measure(stage)
        except Exception:
            table.print_failure()
            continue
        for answer in found:
            table.print_answer(answer, one.goals[answer.key])
        answers += found
    return answers


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

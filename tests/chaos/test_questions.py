"""The answers that follow from the counts."""

import functools

import pytest

from tests.chaos.harness import questions
from tests.chaos.harness.journal import BEGAN, HANDLED, Entry
from tests.chaos.harness.questions import Facts

WELL = [BEGAN, HANDLED]
TRIED_3_TIMES = [BEGAN] * 3
KILLED_5_TIMES = [BEGAN] * 5
NEXT = {f"next-{number}": WELL for number in range(questions.INNOCENTS)}
INNOCENT = {f"innocent-{number}": WELL for number in range(questions.INNOCENTS)}


def facts(steps, *, dead=(), remaining=(), deaths=0):
    entries = {
        name: [Entry(float(at), 1, what, "who", name, 0) for at, what in enumerate(words)]
        for name, words in steps.items()
    }
    return Facts(entries, deaths, set(dead), set(remaining), "dead letter", 30.0)


@pytest.mark.parametrize(
    ("answer", "counted", "text", "is_good"),
    [
        (questions.undecodable, facts({"garbage": []} | NEXT, dead=["garbage"]), "dead letter", True),
        (questions.undecodable, facts({"garbage": []} | NEXT), "lost silently", False),
        (
            questions.undecodable,
            facts({"garbage": []} | NEXT, remaining=["garbage"]),
            "left in Redis, no failure recorded",
            False,
        ),
        (
            questions.undecodable,
            facts({"garbage": []} | {name: [] for name in NEXT}, dead=["garbage"], deaths=11),
            "dead letter; crash loop; 0 of 20 behind it handled",
            False,
        ),
        (
            questions.failing,
            facts({"failing": TRIED_3_TIMES}, dead=["failing"]),
            "tried 3 times, then dead letter",
            True,
        ),
        (
            questions.failing,
            facts({"failing": [BEGAN]}, dead=["failing"]),
            "tried once, then dead letter",
            False,
        ),
        (questions.failing, facts({"failing": [BEGAN]}), "tried once, then lost silently", False),
        (questions.failing, facts({"failing": [BEGAN] * 11}), "no end: tried 11 times in 30 s", False),
        (
            questions.killing,
            facts({"killing": KILLED_5_TIMES}, dead=["killing"], deaths=5),
            "started 5 times, then dead letter",
            True,
        ),
        (questions.killing, facts({"killing": []}, dead=["killing"]), "started 0 times, then dead letter", False),
        (questions.lasting, facts({"lasting": WELL}), "ran once", True),
        (questions.lasting, facts({"lasting": [BEGAN, BEGAN, HANDLED]}), "started 2 times, 2 at once", False),
        (questions.lasting, facts({"lasting": [BEGAN]}), "started 1 times; lost silently", False),
        (
            functools.partial(questions.beside, 1),
            facts(INNOCENT | {"killer-0": KILLED_5_TIMES}, dead=["killer-0"]),
            "20 of 20 handled, 1 of 1 killers found",
            True,
        ),
        (
            functools.partial(questions.beside, 1),
            facts(INNOCENT | {"innocent-7": [BEGAN], "killer-0": [BEGAN]}, dead=["innocent-7", "killer-0"]),
            "19 of 20 handled, 1 innocents condemned, 1 of 1 killers found",
            False,
        ),
        (
            functools.partial(questions.beside, 1),
            facts({name: [BEGAN] * 11 for name in INNOCENT} | {"killer-0": [BEGAN] * 11}, remaining=INNOCENT),
            "0 of 20 handled, 0 of 1 killers found, 20 left in Redis after 30 s, 1 lost silently",
            False,
        ),
    ],
)
def test_an_answer_follows_from_the_counts(answer, counted, text, is_good):
    answered = answer(counted)
    assert (answered.text, answered.is_good) == (text, is_good)


def test_the_longest_wait_between_two_starts_is_reported():
    starts = [Entry(at_s, pid, BEGAN, "who", "killing", 0) for at_s, pid in ((10.0, 1), (12.0, 2), (25.0, 3))]
    counted = Facts({"killing": starts}, 3, {"killing"}, (), "dead letter", 30.0)
    assert questions.killing(counted).resumed_s == 13.0


def test_no_two_jobs_of_all_questions_have_one_name():
    names = [name for question in questions.every(60.0, 3) for name in question.jobs]
    assert len(names) == len(set(names))

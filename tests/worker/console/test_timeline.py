import itertools

from hookbus.shared.entry import Failure
from hookbus.worker.console import timeline
from hookbus.worker.console.timeline import APART, LEFT, RIGHT
from tests.worker.dead_letters import DEAD_MS, letter


def died_of(*attempts: tuple[int, int], received_ms=DEAD_MS - 60_000):
    """A letter whose attempts ended so long before its death, and took so long."""
    history = tuple(Failure(i, DEAD_MS - ago, took, "host.1.ab", "E") for i, (ago, took) in enumerate(attempts, 1))
    return letter(history=history, received_at_ms=received_ms)


def test_attempts_lie_between_receipt_and_death_with_what_they_waited():
    marks = timeline.marks(died_of((59_900, 100), (30_000, 900), (0, 1000)))
    assert [(mark.x, mark.label, mark.wait) for mark in marks] == [
        (LEFT + 1, "", ""),
        (LEFT + (RIGHT - LEFT) // 2, "+30 s", "waited 29 s"),
        (RIGHT, "+1 m", "waited 29 s"),
    ]


def test_labels_never_lie_over_each_other_and_no_clock_leads_out_of_the_drawing():
    for found in (
        died_of(*((1000 * i, 5) for i in range(25, 0, -1))),
        died_of((70_000, 1), (0, 1)),
        died_of((5, 1), (0, 1), received_ms=DEAD_MS + 9_000),
        letter(history=(), received_at_ms=DEAD_MS),
    ):
        marks = timeline.marks(found)
        labelled = [LEFT, *(mark.x for mark in marks if mark.label)]
        assert all(right - left >= APART for left, right in itertools.pairwise(labelled))
        assert all(LEFT <= mark.x <= RIGHT for mark in marks)

import pytest

from hookbus.testing import Outcome
from hookbus.worker.pipeline.cause import Cause
from hookbus.worker.pipeline.outcome import ACK, SKIP, DeadLetter, Park
from tests.worker.builders import a_delivery

CAUSE = Cause("ValueError", "no", "Traceback …")
KINDS = {
    "is_handled": (ACK, "<handled, attempt 1 of response.completed>"),
    "is_skipped": (SKIP, "<skipped, attempt 1 of response.completed>"),
    "is_retried": (Park(2.5, CAUSE), "<retried in 2.5 s, attempt 1 of response.completed: ValueError: no>"),
    "is_snoozed": (
        Park(30, CAUSE, is_snooze=True),
        "<snoozed for 30 s, attempt 1 of response.completed: ValueError: no>",
    ),
    "is_dead": (
        DeadLetter("rejected", CAUSE),
        "<dead letter (rejected), attempt 1 of response.completed: ValueError: no>",
    ),
    "is_waiting": (None, "<waiting, attempt 1 of response.completed>"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_outcome_is_of_one_kind_and_shows_what_happened(kind):
    settled, text = KINDS[kind]
    outcome = Outcome(a_delivery(), settled)
    assert [name for name in KINDS if getattr(outcome, name)] == [kind]
    assert repr(outcome) == text


def test_a_hold_and_a_pause_are_snoozes():
    hold = Outcome(a_delivery(), Park(60, CAUSE, is_snooze=True, hold_s=60))
    pause = Outcome(a_delivery(), Park(5, CAUSE, is_snooze=True, is_pause=True))
    assert [hold.is_snoozed, hold.is_held, hold.is_paused] == [True, True, False]
    assert [pause.is_snoozed, pause.is_held, pause.is_paused] == [True, False, True]
    assert repr(hold).startswith("<held for 60 s, ")
    assert repr(pause).startswith("<paused, ")


def test_error_and_traceback_are_empty_where_nothing_failed():
    for settled in (ACK, None):
        outcome = Outcome(a_delivery(), settled)
        assert (outcome.error, outcome.traceback, outcome.reason) == ("", "", "")
    dead = Outcome(a_delivery(), DeadLetter("rejected", CAUSE))
    assert (dead.error, dead.traceback, dead.reason) == ("ValueError: no", "Traceback …", "rejected")

import pytest

from hookbus import Hold, Pause, Reject, RetryLater
from hookbus.worker.api.decision import MAX_HOLD_S, Decision, deciding
from tests.worker.broken_exceptions import BROKEN

LATER, LONGER, NO, OTHER = RetryLater(5), RetryLater(9), Reject("no"), ValueError("x")
HOLD, HOLD_LONGER, STOP = Hold(3), Hold(7), Pause("no credit")


def group(*errors: BaseException) -> BaseExceptionGroup:
    return BaseExceptionGroup("g", errors)


@pytest.mark.parametrize(
    ("error", "decision"),
    [
        (OTHER, Decision(OTHER)),
        (NO, Decision(NO, Reject)),
        (LATER, Decision(LATER, RetryLater, 5)),
        (HOLD, Decision(HOLD, Hold, 3)),
        (STOP, Decision(STOP, Pause)),
        (group(NO), Decision(NO, Reject)),
        (group(group(group(NO))), Decision(NO, Reject)),
        (group(OTHER, group(NO), LATER), Decision(NO, Reject)),
        (group(LATER, group(LONGER)), Decision(LONGER, RetryLater, 9)),
        (group(LATER, SystemExit(3), NO), Decision(NO, Reject)),
        (group(STOP, HOLD, group(NO)), Decision(NO, Reject)),
        (group(HOLD, OTHER, group(STOP), LATER), Decision(STOP, Pause)),
        (group(HOLD, OTHER, LONGER, group(HOLD_LONGER)), Decision(HOLD_LONGER, Hold, 7)),
    ],
    ids=range(13),
)
def test_the_deciding_error_of_a_group_and_what_it_requests(error, decision):
    assert deciding(error) == decision


@pytest.mark.parametrize("mixed", [group(LATER, OTHER), group(group(OTHER), LATER), group(OTHER)], ids=range(3))
def test_a_group_with_another_error_and_no_reject_is_a_failure(mixed):
    assert deciding(mixed) == Decision(mixed)


def test_a_group_that_contains_an_error_twice_is_searched_once():
    doubling: BaseException = NO
    for _ in range(100):
        doubling = group(doubling, doubling)
    assert deciding(doubling) == Decision(NO, Reject)


@pytest.mark.parametrize("fails", BROKEN, ids=lambda fails: fails.__name__)
def test_any_exception_can_be_inspected(fails):
    try:
        fails()
    except BaseException as error:
        raised, decision = error, deciding(error)
    assert (decision.error is raised, decision.request) == (True, None)


def test_a_hold_lasts_an_hour_at_most_however_it_was_set():
    class Changed(Hold):
        def __init__(self) -> None:
            self.seconds = 1e9

    assert Hold(1e9).seconds == MAX_HOLD_S
    assert deciding(Changed()).wait_s == MAX_HOLD_S


@pytest.mark.parametrize("value", ["5", None])
def test_a_hold_without_a_time_is_an_error(value):
    with pytest.raises(TypeError):
        Hold(value)

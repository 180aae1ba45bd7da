import pytest

from hookbus import Reject, RetryLater
from hookbus.worker.api.decision import deciding
from tests.worker.broken_exceptions import BROKEN

LATER, LONGER, NO, OTHER = RetryLater(5), RetryLater(9), Reject("no"), ValueError("x")


def group(*errors: BaseException) -> BaseExceptionGroup:
    return BaseExceptionGroup("g", errors)


@pytest.mark.parametrize(
    ("error", "decides", "wait_s"),
    [
        (OTHER, OTHER, None),
        (NO, NO, None),
        (LATER, LATER, 5),
        (group(NO), NO, None),
        (group(group(group(NO))), NO, None),
        (group(OTHER, group(NO), LATER), NO, None),
        (group(LATER, group(LONGER)), LONGER, 9),
        (group(LATER, SystemExit(3), NO), NO, None),
    ],
    ids=range(8),
)
def test_the_deciding_error_of_a_group_and_its_wait(error, decides, wait_s):
    assert deciding(error) == (decides, wait_s)


@pytest.mark.parametrize("mixed", [group(LATER, OTHER), group(group(OTHER), LATER), group(OTHER)], ids=range(3))
def test_a_group_with_another_error_and_no_reject_is_a_failure(mixed):
    assert deciding(mixed) == (mixed, None)


def test_a_group_that_contains_an_error_twice_is_searched_once():
    doubling: BaseException = NO
    for _ in range(100):
        doubling = group(doubling, doubling)
    assert deciding(doubling) == (NO, None)


@pytest.mark.parametrize("fails", BROKEN, ids=lambda fails: fails.__name__)
def test_any_exception_can_be_inspected(fails):
    try:
        fails()
    except BaseException as error:
        raised, (decides, wait_s) = error, deciding(error)
    assert (decides is raised, wait_s) == (True, None)

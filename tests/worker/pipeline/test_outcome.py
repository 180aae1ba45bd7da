import math
from decimal import Decimal
from fractions import Fraction

import pytest

from hookbus import Hold, Pause, Reject, Retry, RetryLater
from hookbus.worker.api.decision import MAX_WAIT_S
from hookbus.worker.pipeline import outcome
from hookbus.worker.pipeline.cause import Cause, describe
from hookbus.worker.pipeline.outcome import MIN_SNOOZE_S, DeadLetter, Park, failed

RETRY = Retry(attempts=3, base=10, factor=2)


def raised(error: BaseException) -> BaseException:
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


@pytest.mark.parametrize(("attempt", "min_s"), [(1, 10), (2, 20)])
def test_any_exception_is_retried_after_its_step(attempt, min_s):
    result = failed(raised(KeyError("x")), attempt, RETRY)
    assert isinstance(result, Park)
    assert min_s <= result.wait_s <= min_s * 1.25
    assert (result.cause.error_class, result.cause.message) == ("KeyError", "'x'")


@pytest.mark.parametrize("attempt", [3, 4, 10**9])
def test_after_the_last_attempt_it_is_a_dead_letter(attempt):
    result = failed(raised(KeyError("x")), attempt, RETRY)
    assert isinstance(result, DeadLetter)
    assert result.reason == "attempts_exhausted"


def test_retry_later_sets_the_wait_itself():
    result = failed(raised(RetryLater(90)), 1, RETRY)
    assert isinstance(result, Park)
    assert (result.wait_s, str(result.cause)) == (90, "RetryLater: again in 90 s")


@pytest.mark.parametrize("attempt", [1, 3, 10**9])
def test_retry_later_uses_no_attempt(attempt):
    error = raised(RetryLater(1))
    assert failed(error, attempt, RETRY) == Park(1, describe(error), is_snooze=True)


@pytest.mark.parametrize(
    ("asked_s", "spent_s", "wait_s"),
    [(30, 0, 30), (30, 80, 20), (1e306, 40, 60), (0, 0, 0), (0, 59, 0), (0, 61, MIN_SNOOZE_S), (30, 100, None),
     (0, 100.5, None)],
)  # fmt: skip
def test_retry_later_never_leads_beyond_within_and_is_no_endless_loop(asked_s, spent_s, wait_s):
    result = failed(RetryLater(asked_s), 1, Retry(within=100), spent_s=spent_s)
    if wait_s is None:
        assert isinstance(result, DeadLetter)
        assert result.reason == "attempts_exhausted"
    else:
        assert isinstance(result, Park)
        assert result.wait_s == wait_s


def test_hold_and_pause_use_no_attempt_and_speak_of_the_subscription():
    hold, stop = raised(Hold(90)), raised(Pause("no credit"))
    assert failed(hold, 10**9, RETRY) == Park(90, describe(hold), is_snooze=True, hold_s=90)
    assert failed(stop, 10**9, RETRY) == Park(outcome.PAUSED_S, describe(stop), is_snooze=True, is_pause=True)


@pytest.mark.parametrize("error", [Hold(90), Pause("no credit")], ids=repr)
def test_within_bounds_hold_and_pause_too(error):
    assert failed(error, 1, Retry(within=100), spent_s=98).wait_s == 2
    assert isinstance(failed(error, 1, Retry(within=100), spent_s=100), DeadLetter)


@pytest.mark.parametrize(("spent_s", "is_dead"), [(0, False), (80, False), (1000, True)])
def test_no_attempt_begins_beyond_within_after_a_failure(spent_s, is_dead):
    result = failed(KeyError("x"), 1, Retry(base=9, cap=9, within=100 + 9 * 0.25), spent_s=spent_s)
    assert isinstance(result, DeadLetter) is is_dead


def test_a_decision_in_an_exception_group_counts_like_a_single_one():
    group = raised(ExceptionGroup("unhandled errors in a TaskGroup", [Reject("never")]))
    result = failed(group, 1, RETRY)
    assert isinstance(result, DeadLetter)
    assert (result.reason, result.cause.error_class, result.cause.message) == ("rejected", "Reject", "never")
    assert "TaskGroup" in result.cause.traceback
    later = failed(ExceptionGroup("g", [RetryLater(5), RetryLater(9)]), 3, RETRY)
    assert isinstance(later, Park)
    assert (later.wait_s, later.is_snooze) == (9, True)


@pytest.mark.parametrize(
    ("delay", "wait_s"),
    [
        (-5, 0.0), (0, 0.0), (0.25, 0.25), (True, 1.0), (Decimal("1.5"), 1.5), (Fraction(1, 2), 0.5),
        (1e306, MAX_WAIT_S), (10**400, MAX_WAIT_S), (-(10**400), 0.0), (-1e306, 0.0),
    ],
)  # fmt: skip
def test_the_wait_of_retry_later_is_never_negative_and_is_capped(delay, wait_s):
    assert RetryLater(delay).seconds == wait_s


@pytest.mark.parametrize("delay", [math.nan, math.inf, -math.inf])
def test_retry_later_without_a_time_is_an_error_and_follows_the_schedule(delay):
    with pytest.raises(ValueError, match="a number of seconds is needed") as caught:
        RetryLater(delay)
    assert isinstance(failed(caught.value, 1, RETRY), Park)


@pytest.mark.parametrize("delay", ["5", None, b"5", {}, [5], 1j], ids=repr)
def test_retry_later_with_a_value_that_is_no_number_is_an_error(delay):
    with pytest.raises(TypeError, match="a number of seconds is needed"):
        RetryLater(delay)


class Changed(RetryLater):
    def __init__(self, seconds: object) -> None:
        self.seconds = seconds


class Raising(RetryLater):
    def __init__(self) -> None: ...

    @property
    def seconds(self) -> float:
        raise SystemExit(3)


@pytest.mark.parametrize("error", [Changed("5"), Changed(math.nan), Changed(math.inf), Changed(None), Raising()])
def test_a_retry_later_whose_seconds_mean_nothing_follows_the_schedule(error):
    result = failed(error, 1, RETRY)
    assert isinstance(result, Park)
    assert 10 <= result.wait_s <= 12.5


def test_a_retry_later_changed_to_a_huge_time_is_cut_to_within():
    result = failed(Changed(1e306), 1, RETRY)
    assert isinstance(result, Park)
    assert result.wait_s == RETRY.within


def test_a_retry_later_that_a_subclass_forgot_to_set_up_is_due_at_once():
    class Forgetful(RetryLater):
        def __init__(self) -> None:
            pass

    error = raised(Forgetful())
    assert failed(error, 1, RETRY) == Park(0.0, describe(error), is_snooze=True)


def test_reject_is_a_dead_letter_at_once_with_its_reason():
    result = failed(raised(Reject("no such customer")), 1, RETRY)
    assert isinstance(result, DeadLetter)
    assert (result.reason, result.cause.message) == ("rejected", "no such customer")


def test_a_delivery_that_never_ran_has_a_reason_and_a_cause_of_its_own():
    too_old = Cause("Expired", "61.3 s old, received 1.0 s ago, max_age is 60 s")
    assert outcome.expired(61.26, 1, 60) == DeadLetter("expired", too_old)
    assert outcome.worker_lost(("a@1", "b@2")).cause.message == "2 processes that ran it alone died of it: a@1, b@2"
    assert outcome.unsubscribed("g", "a.b").cause == Cause("Unsubscribed", "g does not subscribe to a.b")
    assert outcome.undecodable(ValueError("bad")) == DeadLetter("undecodable", Cause("ValueError", "bad"))
    assert outcome.foreign("no id") == DeadLetter("undecodable", Cause("ForeignEntry", "no id"))

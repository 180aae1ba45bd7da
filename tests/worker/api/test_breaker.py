import pytest

from hookbus import RetryLater
from hookbus.shared.settings import ConfigError
from hookbus.worker.api.breaker import Breaker
from hookbus.worker.api.retry import Retry
from hookbus.worker.pipeline import dead_letter
from hookbus.worker.pipeline import outcome as outcomes
from hookbus.worker.pipeline.dead_letter import fingerprint
from hookbus.worker.pipeline.outcome import Ack, Cause, DeadLetter, Park, failed

CAUSE = Cause("ValueError", "no", "", "a.py:f")


def test_the_delay_doubles_up_to_the_cap():
    assert [Breaker(delay=5, cap=30).delay_s(times) for times in range(1, 6)] == [5, 10, 20, 30, 30]


@pytest.mark.parametrize(
    "options", [{"failures": 0}, {"delay": 0}, {"delay": 9, "cap": 5}, {"cap": float("inf")}, {"delay": float("nan")}]
)
def test_impossible_breaker_options_are_refused(options):
    with pytest.raises(ConfigError):
        Breaker(**options)


@pytest.mark.parametrize(
    ("outcome", "counts", "succeeds"),
    [
        (Ack(), False, True),
        (Park(1, CAUSE), True, False),
        (DeadLetter("attempts_exhausted", CAUSE), True, False),
        (failed(RetryLater(5), 1, Retry()), False, False),
        (DeadLetter("rejected", CAUSE), False, True),
        (DeadLetter("undecodable", CAUSE), False, False),
        (DeadLetter("expired", CAUSE), False, False),
        (DeadLetter("worker_lost", CAUSE), False, False),
    ],
)
def test_only_exceptions_of_the_handler_count(outcome, counts, succeeds):
    assert (outcomes.failure(outcome) is not None) == counts
    assert outcomes.is_success(outcome) == succeeds


def test_the_fingerprint_of_a_breaker_equals_that_of_its_dead_letters():
    assert dead_letter.fingerprint_of(CAUSE, "batch.failed") == fingerprint(
        "ValueError", "a.py:f", "batch.failed", "attempts_exhausted"
    )

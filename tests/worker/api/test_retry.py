import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookbus import Retry
from hookbus.shared.backoff import JITTER
from hookbus.shared.settings import ConfigError

retries = st.builds(
    lambda attempts, base, factor, more: Retry(attempts=attempts, base=base, factor=factor, cap=base + more),
    st.integers(1, 10**6),
    st.floats(0, 1e6),
    st.floats(1, 1000),
    st.floats(0, 1e9),
)


@given(retries, st.integers(1, 10**6))
def test_g6_a_wait_is_never_shorter_than_its_step_and_never_a_quarter_longer_than_the_cap(retry, attempt):
    step = min(retry.cap, retry.base * retry.factor ** min(attempt - 1, 64))
    wait = retry.wait_s(attempt)
    assert math.isfinite(wait)
    assert step <= wait <= step * (1 + JITTER)
    assert wait <= retry.cap * (1 + JITTER)


@given(retries)
def test_steps_never_shrink(retry):
    waits = [retry.wait_s(attempt) for attempt in range(1, 70)]
    assert all(later * (1 + JITTER) * (1 + 1e-9) >= earlier for earlier, later in pairwise(waits))


def test_by_default_the_last_attempt_comes_half_a_day_after_the_first():
    retry = Retry()
    hours = sum(retry.wait_s(attempt) for attempt in range(1, retry.attempts)) / 3600
    assert 8 < hours < 12


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": 0},
        {"base": -1},
        {"factor": 0.5},
        {"cap": 0.5},
        {"base": math.nan},
        {"cap": math.nan},
        {"factor": math.nan},
        {"base": math.inf, "cap": math.inf},
        {"factor": math.inf},
        {"factor": 1e6},
        {"attempts": "3"},
        {"attempts": 2.5},
        {"attempts": True},
        {"attempts": None},
        {"base": "1"},
        {"base": True},
        {"cap": None},
        {"cap": 10**400},
    ],
    ids=str,
)
def test_an_impossible_schedule_is_refused(wrong):
    with pytest.raises(ConfigError, match=r"Retry\(.*needs attempts >= 1"):
        Retry(**wrong)

import pytest

from hookbus.worker.console import pace

NOTICED_S = 5.0
"""Within which a page says that Redis is away."""
POLL_S = 0.5
"""How often the script of a page looks at the age of its figures."""


def test_a_redis_that_hangs_after_a_quick_look_is_noticed_within_five_seconds():
    assert pace.fresh_s(0.1, 0.1) + POLL_S < NOTICED_S


def test_a_second_hang_is_noticed_within_five_seconds_after_the_look_that_met_the_first():
    met_s = 3.5
    assert pace.fresh_s(met_s, 0.1) - met_s + POLL_S < NOTICED_S


@pytest.mark.parametrize("took_s", [0.01, 0.1, 0.5, 0.8, 2.0, 4.0])
def test_no_look_is_old_before_the_next_one_has_had_twice_its_time(took_s):
    assert pace.fresh_s(took_s, took_s) >= took_s + pace.pause_s(took_s) + 2 * took_s
    assert pace.limit_s(took_s) >= 2 * took_s


def test_looks_take_a_twentieth_of_the_time_unless_one_takes_very_long():
    assert [pace.pause_s(took_s) for took_s in (0.01, 0.2, 5.0)] == [2.0, 4.0, 6.0]


def test_a_look_after_a_failed_one_has_the_longest_time():
    assert [pace.limit_s(took_s) for took_s in (0.1, 0.8, 5.0, None)] == [4.0, 6.4, 8.0, 8.0]

import time

import pytest

from hookbus.shared import clock


@pytest.fixture(autouse=True)
def own_clock_afterwards():
    yield
    clock.leave()


def test_by_default_the_clock_is_that_of_this_machine():
    assert clock.now_ms() == pytest.approx(time.time() * 1000, abs=1000)


def test_a_followed_clock_advances_by_the_monotonic_clock_alone(monkeypatch):
    sent_s = time.monotonic()
    clock.follow(1_000_000, sent_s)
    monkeypatch.setattr(time, "time_ns", lambda: 0)  # a step of the wall clock
    monkeypatch.setattr(time, "monotonic", lambda: sent_s + 2.5)
    assert clock.now_ms() == 1_002_500


def test_the_clock_follows_a_step_backwards():
    clock.follow(2_000_000, time.monotonic())
    clock.follow(1_000_000, time.monotonic())
    assert clock.now_ms() == pytest.approx(1_000_000, abs=1000)


def test_following_returns_the_step_of_the_other_clock():
    steps_ms = [clock.follow(unix_ms, sent_s) for unix_ms, sent_s in [(5000, 1), (6000, 2), (17_000, 3), (9000, 4)]]
    assert steps_ms == [0, 0, 10_000, -9000]

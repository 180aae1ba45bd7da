import time

import pytest

from hookbus.shared import clock


@pytest.fixture(autouse=True)
def _alone():
    yield
    clock.leave()


def test_by_itself_it_is_this_machines_clock():
    assert clock.now_ms() == pytest.approx(time.time() * 1000, abs=1000)


def test_following_it_counts_on_by_the_monotonic_clock_alone(monkeypatch):
    asked_s = time.monotonic()
    clock.follow(1_000_000, asked_s)
    monkeypatch.setattr(time, "time_ns", lambda: 0)  # a step of the wall clock
    monkeypatch.setattr(time, "monotonic", lambda: asked_s + 2.5)
    assert clock.now_ms() == 1_002_500


def test_it_follows_backwards_too():
    clock.follow(2_000_000, time.monotonic())
    clock.follow(1_000_000, time.monotonic())
    assert clock.now_ms() == pytest.approx(1_000_000, abs=1000)


def test_it_tells_by_how_much_the_other_clock_was_set():
    steps_ms = [clock.follow(unix_ms, asked_s) for unix_ms, asked_s in [(5000, 1), (6000, 2), (17_000, 3), (9000, 4)]]
    assert steps_ms == [0, 0, 10_000, -9000]

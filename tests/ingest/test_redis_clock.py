"""Ingest with a Redis whose clock differs."""

import time

import pytest
from redis.exceptions import NoPermissionError
from structlog.testing import capture_logs

from hookbus.ingest.redis_clock import RedisClock
from hookbus.shared import clock
from tests.ingest.serving import entries, serving, signed
from tests.ingest.test_measures import sample


@pytest.fixture(autouse=True)
def _own_clock_afterwards():
    yield
    clock.leave()


def executing(ahead_s: float):
    async def execute(*command):
        now = time.time() + ahead_s
        return [str(int(now)).encode(), str(int(now % 1 * 1e6)).encode()]

    return execute


@pytest.mark.parametrize("ahead_s", [3600, -60])
async def test_stored_times_follow_redis_clock(ahead_s):
    await RedisClock().follow(executing(ahead_s))
    assert clock.now_ms() / 1000 - time.time() == pytest.approx(ahead_s, abs=2)
    assert sample("redis_clock_skew_seconds") == pytest.approx(ahead_s, abs=2)


async def test_a_large_skew_is_logged_once_and_again_when_it_changes():
    redis_clock = RedisClock()
    with capture_logs() as logs:
        for ahead_s in (1, 60, 61, 60, 90, 0, -60):
            await redis_clock.follow(executing(ahead_s))
    assert [(entry["event"], round(entry["redis_ahead_s"])) for entry in logs] == [
        ("clock_skew", 60),
        ("clock_skew", 90),
        ("clock_skew", -60),
    ]


async def test_where_time_is_refused_this_machines_clock_is_used():
    async def execute(*command):
        raise NoPermissionError("this user has no permissions to run the 'time' command")

    await RedisClock().follow(execute)
    assert clock.now_ms() / 1000 == pytest.approx(time.time(), abs=2)


@pytest.mark.parametrize("behind_s", [60, 250])
async def test_an_event_gets_redis_time_although_our_clock_is_behind(client, redis_url, monkeypatch, behind_s):
    """The sender's clock is right, so its signatures are as far in our future as we are behind."""
    real, real_ns = time.time, time.time_ns
    request = signed()
    monkeypatch.setattr(time, "time", lambda: real() - behind_s)
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() - behind_s * 10**9)
    async with serving(redis_url) as ingest:
        assert (await ingest.execute(request))[0] == 200
        assert len(ingest.logged("clock_skew")) == 1
    (stored,) = await entries(client)
    assert int(stored[b"at"]) / 1000 == pytest.approx(real(), abs=10)
    assert clock.now_ms() / 1000 == pytest.approx(time.time(), abs=2)  # a stop restores our clock

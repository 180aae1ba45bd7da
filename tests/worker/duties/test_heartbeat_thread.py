"""The thread that renews the liveness key: when it is steady at its start, its end, and what it logs."""

import threading
import time
import uuid

import pytest
import redis as sync_redis
import structlog

from hookbus.worker.duties import heartbeat, same_host
from hookbus.worker.duties.heartbeat import TTL_S, Liveness
from tests.worker.builders import KEYS
from tests.worker.duties.test_heartbeat import living


@pytest.mark.parametrize(("uptime_s", "is_steady"), [(TTL_S, True), (TTL_S - 5, False)])
def test_with_a_server_that_has_been_up_for_long_liveness_is_steady_at_once(
    redis_url, monkeypatch, uptime_s, is_steady
):
    monkeypatch.setattr(sync_redis.Redis, "info", lambda *_: {"uptime_in_seconds": uptime_s})
    with living(redis_url) as liveness:
        assert liveness.is_steady() is is_steady


def test_liveness_is_not_steady_before_its_start(redis_url):
    liveness = Liveness(
        redis_url,
        "me",
        registrations={"a": b"{}"},
        shards=[KEYS],
        loop_age_s=lambda: 0.0,
        hard_limit_s=40,
    )
    assert not liveness.is_steady()
    liveness.stop()


def test_a_thread_that_has_not_begun_or_was_stopped_has_not_failed(redis_url):
    with living(redis_url) as liveness:
        assert not liveness.has_failed()
    assert not liveness.has_failed()
    unstarted = Liveness(
        redis_url,
        "me",
        registrations={},
        shards=[KEYS],
        loop_age_s=lambda: 0.0,
        hard_limit_s=40,
    )
    assert not unstarted.has_failed()
    unstarted.stop()


def test_a_stop_during_a_renewal_leaves_no_key_and_no_sign_of_presence(redis_url, server, monkeypatch):
    monkeypatch.setattr(heartbeat, "INTERVAL_S", 0.01)
    renewing = threading.Event()
    name = f"tests-{uuid.uuid4()}"
    file = same_host.FOLDER / f"hookbus-{name}"
    with living(redis_url, consumer=name) as liveness:
        assert file.exists() == same_host.FOLDER.exists()
        renew = liveness._renew

        def renew_late() -> None:
            renewing.set()
            time.sleep(0.2)
            renew()

        monkeypatch.setattr(liveness, "_renew", renew_late)
        assert renewing.wait(5)
    assert not liveness._thread.is_alive()  # it would set the key again
    with server.client() as client:
        assert not client.exists(KEYS.alive(name))
    assert not file.exists()


def test_a_loop_that_stays_blocked_is_logged_once(redis_url, monkeypatch):
    monkeypatch.setattr(heartbeat, "INTERVAL_S", 0.01)
    with structlog.testing.capture_logs() as logs, living(redis_url, loop_age_s=lambda: 50.0):
        time.sleep(0.2)
    assert [line["seconds"] for line in logs if line["event"] == "loop_stalled"] == [50.0]

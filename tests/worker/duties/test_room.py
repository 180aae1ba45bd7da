import pytest

from hookbus.shared.connection import connect_blocking
from hookbus.worker.duties import room
from hookbus.worker.duties.room import Room


@pytest.fixture
def blocking(redis_url):
    client = connect_blocking(redis_url, "tests", reply_timeout_s=5)
    yield client
    client.close()


def test_there_is_room_below_nine_tenths_of_redis_memory(blocking, monkeypatch):
    monkeypatch.setattr(room, "INTERVAL_S", 0.0)
    found = Room()
    used = blocking.info("memory")["used_memory"]
    for limit, is_left in (
        (0, True),
        (round(used / 0.8), True),
        (round(used / 0.95), False),
        (round(used / 0.5), True),
    ):
        blocking.config_set("maxmemory", limit)
        found.ask(blocking)
        assert found.is_left is is_left, limit


def test_redis_is_asked_once_an_interval(blocking):
    found = Room()
    for _ in range(5):
        found.ask(blocking)
    assert blocking.info("commandstats")["cmdstat_info"]["calls"] <= 2

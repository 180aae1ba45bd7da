import pytest
from redis.exceptions import AuthenticationError, NoPermissionError, OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from hookbus.worker.pipeline import metrics, unusable_keys
from hookbus.worker.pipeline.unusable_keys import ADD, UnusableKeys, is_of_one_key


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), True),
        (ResponseError("ERR The stream has exhausted the last possible ID, unable to add more items"), True),
        (NoPermissionError("No permissions to access a key"), True),
        (ResponseError("NOGROUP No such key"), False),
        (OutOfMemoryError("command not allowed"), False),
        (ReadOnlyError("You can't write against a read only replica."), False),
        (AuthenticationError("WRONGPASS"), False),
        (RedisConnectionError("WRONGTYPE"), False),
    ],
)
def test_errors_of_a_key_and_errors_of_the_server_are_told_apart(error, expected):
    assert is_of_one_key(error) is expected


def test_a_key_is_logged_once_an_hour_and_when_it_is_usable_again(monkeypatch):
    found = UnusableKeys()
    with capture_logs() as logs:
        for _ in range(3):
            found.add("a", "WRONGTYPE")
        found.add("b", "WRONGTYPE", ADD)
        assert metrics.UNUSABLE_KEYS._value.get() == 2
        found.remove("a", ADD)
        assert "a" in found
        assert "b" not in found
        found.remove("a")
        found.remove("b", ADD)
        assert not found
    assert metrics.UNUSABLE_KEYS._value.get() == 0
    assert [(log["event"], log["key"], log["use"]) for log in logs] == [
        ("key_unusable", "a", "read"),
        ("key_unusable", "b", "add"),
        ("key_usable_again", "a", "read"),
        ("key_usable_again", "b", "add"),
    ]
    monkeypatch.setattr(unusable_keys, "REPEAT_S", 0.0)
    with capture_logs() as logs:
        found.add("a", "WRONGTYPE")
        found.add("a", "WRONGTYPE")
    assert len(logs) == 2
    found.remove("a")

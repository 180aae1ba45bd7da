import inspect
import re
from pathlib import Path

import pytest
import typer

from hookbus.shared import clock
from hookbus.shared.times import parse_time
from hookbus.worker.cli import filters
from hookbus.worker.dlq.filter import Filter


@pytest.fixture
def on_redis(redis_url, monkeypatch):
    """Times are by the clock of this Redis."""
    monkeypatch.setenv("HOOKBUS_REDIS_URL", redis_url)
    yield
    clock.leave()


@pytest.mark.parametrize(
    ("criteria", "text"),
    [
        (Filter(), "--all"),
        (Filter(groups=("billing", "phone"), types=("batch.*",)), "--group billing --group phone --type 'batch.*'"),
        (Filter(reasons=("rejected",), fingerprints=("0123456789",)), "--reason rejected --fingerprint 0123456789"),
        (Filter(since_ms=1_700_000_000_123), "--since 2023-11-14T22:13:20.123Z"),
        (Filter(until_ms=1_700_000_000_000), "--until 2023-11-14T22:13:20.000Z"),
        (Filter(names=("wh_1; rm -rf",)), "--id 'wh_1; rm -rf'"),
    ],
)
def test_a_filter_is_told_as_the_options_that_make_it(criteria, text):
    assert filters.as_options(criteria.options()) == text


def test_the_times_that_it_tells_are_read_back_exactly():
    told = filters.as_options(Filter(since_ms=1_700_000_000_123, until_ms=4_000_000_000_001).options()).split()
    assert [parse_time(text, 0) for text in told[1::2]] == [1_700_000_000_123, 4_000_000_000_001]


def test_a_command_takes_the_options_of_its_filter_and_gets_the_filter():
    got = []

    @filters.by(filters.causes)
    def command(criteria: Filter, limit: int = 50, config: Path | None = None) -> None:
        assert config is None
        got.append((criteria, limit))

    names = ["group", "type_", "reason", "fingerprint", "since", "until", "limit", "config"]
    assert list(inspect.signature(command).parameters) == names
    command(**dict.fromkeys(names[:4]), since="", until="", limit=3, config=None)
    assert got == [(Filter(), 3)]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"fingerprint": ["0123456789", "012345678"]}, "'012345678' is no fingerprint"),
        ({"since": "1h", "until": "2h"}, "later than --until"),
        ({"since": "2999-01-01"}, "has not come yet"),
    ],
)
def test_what_can_match_nothing_is_refused(on_redis, given, problem):
    with pytest.raises(typer.BadParameter, match=re.escape(problem)):
        filters.letters(**given)


def test_a_window_may_end_in_the_future_and_a_fingerprint_be_written_in_capitals(on_redis):
    found = filters.letters(since="1h", until="2999-01-01", fingerprint=["ABCDEF0123"])
    assert (found.fingerprints, found.since_ms < found.until_ms) == (("abcdef0123",), True)

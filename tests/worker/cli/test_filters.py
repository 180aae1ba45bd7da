import inspect

import pytest
import typer

from hookbus.shared.times import parse_time
from hookbus.worker.cli import filters
from hookbus.worker.dlq.filter import Filter


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
    def command(criteria: Filter, limit: int = 50) -> None:
        got.append((criteria, limit))

    names = ["group", "type_", "reason", "fingerprint", "since", "until", "limit"]
    assert list(inspect.signature(command).parameters) == names
    command(**dict.fromkeys(names[:4]), since="", until="", limit=3)
    assert got == [(Filter(), 3)]


def test_an_unknown_reason_is_refused():
    with pytest.raises(typer.BadParameter, match="'bored' is none of attempts_exhausted"):
        filters.letters(reason=["bored"])

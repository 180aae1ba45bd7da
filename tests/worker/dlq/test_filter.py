import pytest

from hookbus.shared.times import parse_time
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
    assert criteria.options() == text


def test_the_times_that_it_tells_are_read_back_exactly():
    told = Filter(since_ms=1_700_000_000_123, until_ms=4_000_000_000_001).options().split()
    assert [parse_time(text, 0) for text in told[1::2]] == [1_700_000_000_123, 4_000_000_000_001]

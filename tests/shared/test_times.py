import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookbus.shared.times import LAST_MS, iso, parse_time

NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("90s", NOW - 90_000),
        ("15m", NOW - 900_000),
        ("2h", NOW - 7_200_000),
        ("3d", NOW - 259_200_000),
        ("1w", NOW - 604_800_000),
        ("1.5h", NOW - 5_400_000),
        (" 2h ", NOW - 7_200_000),
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14 22:13:20.5", NOW + 500),
        ("2023-11-14T23:13:20+01:00", NOW),
        ("2023-11-14", 1_699_920_000_000),
        ("999999999w", 0),
        ("0001-01-01T00:00:00+14:00", 0),
        ("9999-12-31T23:59:59-14:00", LAST_MS),
    ],
)
def test_times_are_ages_or_iso_in_utc_unless_they_name_a_zone(text, ms):
    assert parse_time(text, NOW) == ms


@pytest.mark.parametrize("text", ["", "yesterday", "15", "15 m", "-2h", "2y", "1e3h", "2023-13-01"])
def test_an_invalid_time_is_refused_with_the_accepted_formats(text):
    with pytest.raises(ValueError, match=r"neither an age like 15m, 2h or 3d nor an ISO time"):
        parse_time(text, NOW)


@given(text=st.text(max_size=20))
def test_any_text_is_parsed_or_raises_value_error(text):
    with contextlib.suppress(ValueError):
        assert 0 <= parse_time(text, NOW) <= LAST_MS


def test_a_time_is_written_as_it_is_read():
    assert parse_time(iso(1_700_000_000_123), 0) == 1_700_000_000_123

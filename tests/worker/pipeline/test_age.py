import json

import pytest

from hookbus.worker.pipeline import age
from tests.programs import event_body
from tests.worker.builders import a_delivery

RECEIVED_MS = 1_790_000_000_500
DAY_S = 86_400


def made_ms_ago(body: bytes) -> int:
    """Milliseconds from the creation of the event of a body to its receipt."""
    return RECEIVED_MS - age.made_at_ms(a_delivery(received_at_ms=RECEIVED_MS, body=body))


def body(created_at: object) -> bytes:
    return json.dumps(json.loads(event_body()) | {"created_at": created_at}).encode()


@pytest.mark.parametrize(
    ("created_at", "ago_ms"),
    [
        (1_789_999_400.5, 600_000),
        (1_789_999_400, 599_501),
        (1_790_000_000, 0),
        (1_790_000_000.25, 250),
        (1_790_000_000.0, 500),
        ("2026-09-21T14:03:20.500000Z", 600_000),
        ("2026-09-21T16:03:20+02:00", 599_501),
        (RECEIVED_MS / 1000 - 8 * DAY_S, 8 * DAY_S * 1000),
    ],
)
def test_the_age_of_an_event_counts_from_its_created_at_and_whole_seconds_from_their_end(created_at, ago_ms):
    assert made_ms_ago(body(created_at)) == ago_ms


@pytest.mark.parametrize(
    "created_at",
    [
        1_790_000_001, 1_790_000_000.75, 1_790_000_000_000, RECEIVED_MS / 1000 - 8 * DAY_S - 1, 0, -1, 10**400,
        float("nan"), float("inf"), None, True, "1789999400", "2026-09-21T12:00:00", "soon",
        "0001-01-01T00:00:00+14:00", [1_789_999_400], {},
    ],
)  # fmt: skip
def test_an_impossible_created_at_falls_back_to_the_time_of_receipt(created_at):
    assert made_ms_ago(body(created_at)) == 0


@pytest.mark.parametrize("fields", [b'"x": NaN}', b'"x": "\\ud800"}', b'"x": ' + b"[" * 9_000 + b"]" * 9_000 + b"}"])
def test_the_age_of_a_body_that_only_lenient_readers_accept_counts_from_its_created_at(fields):
    assert made_ms_ago(b'{"type": "a", "created_at": 1789999400.5, ' + fields) == 600_000


@pytest.mark.parametrize("own_type", [b"", b'"type": null, ', b'"type": {"name": "a"}, '])
def test_the_age_of_a_body_with_its_type_elsewhere_counts_from_its_created_at(own_type):
    assert made_ms_ago(b"{" + own_type + b'"created_at": 1789999400.5}') == 600_000


@pytest.mark.parametrize("unreadable", [b"", b"\xff", b"[]", b"{}", b"{" * 100_000])
def test_the_age_of_a_body_that_is_no_event_counts_from_its_receipt(unreadable):
    assert made_ms_ago(unreadable) == 0

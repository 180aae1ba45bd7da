from datetime import UTC, datetime

import pytest

from hookbus.worker.api.delivery import type_of_member
from tests.worker.builders import GROUP, TYPE, a_delivery, an_in_flight


def test_the_event_id_is_that_of_the_body_not_the_webhook_id():
    assert a_delivery(webhook_id="wh_9").event_id == "evt_1"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"id": 5}', b"{}", b"\xff", b"[" * 100_000])
def test_a_body_without_an_id_has_an_empty_one(body):
    assert a_delivery(body=body).event_id == ""


@pytest.mark.parametrize("fields", [b'"x": NaN}', b'"x": "\\ud800"}', b'"x": ' + b"[" * 9_000 + b"]" * 9_000 + b"}"])
def test_a_body_that_only_lenient_readers_accept_has_its_id(fields):
    assert a_delivery(body=b'{"id": "evt_7", ' + fields).event_id == "evt_7"


def test_received_at_is_utc():
    assert a_delivery(received_at_ms=1_750_287_018_250).received_at == datetime(
        2025, 6, 18, 22, 50, 18, 250_000, tzinfo=UTC
    )


def test_the_body_is_the_exact_bytes():
    body = b' {"b":1,  "a":2}\n'
    assert a_delivery(body=body).body == body


def test_a_delivery_can_not_be_changed_by_a_handler():
    with pytest.raises(AttributeError):
        a_delivery().attempt = 9  # type: ignore[misc]


def test_names_differ_between_the_stream_of_all_and_the_groups_own_and_tell_the_type():
    shared, own = an_in_flight(), an_in_flight(is_own_stream=True)
    assert (shared.name, own.name) == (f"{TYPE}||1-0", f"{TYPE}|{GROUP}|1-0")
    assert type_of_member(shared.name) == type_of_member(own.name) == TYPE


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1750287018", datetime(2025, 6, 18, 22, 50, 18, tzinfo=UTC)),
        ("1750287018.25", datetime(2025, 6, 18, 22, 50, 18, 250_000, tzinfo=UTC)),
        ('"2025-06-18T22:50:18Z"', datetime(2025, 6, 18, 22, 50, 18, tzinfo=UTC)),
        ('"2025-06-19T00:50:18+02:00"', datetime(2025, 6, 18, 22, 50, 18, tzinfo=UTC)),
        ('1750287018, "x": NaN', datetime(2025, 6, 18, 22, 50, 18, tzinfo=UTC)),
    ],
)
def test_created_at_is_that_of_the_body_in_every_form_that_senders_use(text, time):
    created_at = a_delivery(body=b'{"created_at": %s}' % text.encode()).created_at
    assert created_at == time
    assert created_at.tzinfo is not None


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"[]", b'{"created_at": null}', b'{"created_at": true}', b'{"created_at": "soon"}',
        b'{"created_at": "2025-06-18T22:50:18"}', b'{"created_at": 1e300}', b'{"created_at": NaN}',
        b'{"created_at": [1]}', b'{"created_at": -99999999999999}',
    ],
)  # fmt: skip
def test_a_body_without_a_time_that_means_one_moment_has_no_created_at(body):
    assert a_delivery(body=body).created_at is None


def test_a_delivery_without_a_lifespan_has_an_empty_state_that_nobody_can_fill():
    assert dict(a_delivery().state) == {}
    with pytest.raises(TypeError):
        a_delivery().state["client"] = 1

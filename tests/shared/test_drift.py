import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookbus.events import BY_TYPE, ResponseCompleted, UnknownEvent
from hookbus.shared.drift import unknown_decoder
from hookbus.shared.undecodable import UNDECODABLE
from tests.shared.decoded import decode

DOCUMENTED = json.loads((Path(__file__).parents[1] / "data" / "openai_events.json").read_text())
EXAMPLES = {event["type"]: event["example"] for event in DOCUMENTED}
ABSENT = ...

ODD_ENVELOPES = [
    ({"created_at": 1719168000.25}, {"created_at": 1719168000}),
    ({"created_at": 1719168000.0}, {"created_at": 1719168000}),
    *(({"created_at": odd}, {"created_at": 0}) for odd in (None, ABSENT, "1719168000", True, [1], {})),
    *(({"object": odd}, {"object": "event"}) for odd in (None, ABSENT, 1, {})),
    *(({"id": odd}, {"id": ""}) for odd in (None, ABSENT, 5, ["evt_1"])),
    ({"id": None, "created_at": "soon", "object": 0}, {"id": "", "created_at": 0, "object": "event"}),
    ({"api_version": "2", "livemode": None}, {}),
]


def changed(example: dict[str, Any], changes: dict[str, Any]) -> bytes:
    return json.dumps({name: value for name, value in (example | changes).items() if value is not ABSENT}).encode()


@pytest.mark.parametrize(("changes", "expected"), ODD_ENVELOPES, ids=[str(odd) for odd, _ in ODD_ENVELOPES])
def test_a_documented_event_with_an_odd_envelope_keeps_its_class_and_data(changes, expected):
    for event_type, example in EXAMPLES.items():
        plain, event = decode(json.dumps(example).encode()), decode(changed(example, changes))
        assert type(event) is BY_TYPE[event_type]
        assert event.data == plain.data
        for name in ("id", "created_at", "object"):
            assert getattr(event, name) == expected.get(name, getattr(plain, name))


@pytest.mark.parametrize(("changes", "expected"), ODD_ENVELOPES, ids=[str(odd) for odd, _ in ODD_ENVELOPES])
@pytest.mark.parametrize("data", [{"id": 1}, None, "text", ABSENT])
def test_an_unknown_event_accepts_any_envelope_and_any_data(changes, expected, data):
    plain = {"id": "evt_1", "object": "event", "created_at": 5, "type": "made.up", "data": data}
    event = decode(changed(plain, changes))
    envelope = {"id": "evt_1", "created_at": 5, "object": "event"} | expected
    assert event == UnknownEvent("made.up", **envelope, data=None if data is ABSENT else data)


@pytest.mark.parametrize("fields", ['"data": NaN', '"data": "\\ud800"', '"data": 1e999, "id": 5', '"x": "\\udfff"'])
def test_an_unknown_event_accepts_what_only_lenient_readers_accept(fields):
    event = decode(f'\ufeff{{"type": "made.up", "created_at": 7, {fields}}}'.encode())
    assert isinstance(event, UnknownEvent)
    assert event.created_at == 7


@pytest.mark.parametrize("data", [ABSENT, None, {}, [], "x", {"id": None}, {"id": 5}])
@pytest.mark.parametrize("changes", [{}, {"created_at": 1.5}, {"id": ABSENT, "object": None}])
def test_data_stays_strict_whatever_the_envelope(changes, data):
    for example in EXAMPLES.values():
        with pytest.raises(UNDECODABLE):
            decode(changed(example, {"data": data} | changes))


@pytest.mark.parametrize("own", [ABSENT, "response.completed", None, 5, ["a"]])
def test_an_unknown_event_has_the_type_that_it_is_stored_under_whatever_its_body_names(own):
    for fields in ({"data": 1}, {"data": 1, "created_at": "2026-11-27T22:00:00Z"}):
        event = unknown_decoder("claude.session.idle")(changed({}, fields | {"type": own}))
        assert event == UnknownEvent("claude.session.idle", data=1)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"1", b"", b"{", b"\xff", b'[{"type": "a"}]', b"[" * 100_000])
def test_a_body_that_is_no_object_is_undecodable(body):
    with pytest.raises(UNDECODABLE):
        unknown_decoder("untyped")(body)


SENDERS = {
    "claude.session.status_idled": {
        "type": "event",
        "id": "wevt_01",
        "created_at": "2026-11-27T22:00:00Z",
        "data": {"type": "session.status_idled", "id": "sesn_1"},
    },
    "gemini.batch.failed": {
        "type": "batch.failed",
        "version": "v1",
        "timestamp": "2026-01-22T12:00:00Z",
        "data": {"id": "batch_123456", "error": {"code": 3}},
    },
    "clerk.user.created": {
        "type": "user.created",
        "object": "event",
        "timestamp": 1654012591835,
        "data": {"id": "user_1"},
        "instance_id": "ins_1",
    },
    "resend.email.sent": {
        "type": "email.sent",
        "created_at": "2023-02-22T23:41:12.126Z",
        "data": {"email_id": "x"},
    },
}


@pytest.mark.parametrize("event_type", SENDERS)
def test_the_shapes_of_other_senders_become_unknown_events(event_type):
    body = SENDERS[event_type]
    event = unknown_decoder(event_type)(json.dumps(body).encode())
    assert event == UnknownEvent(event_type, id=body.get("id", ""), data=body["data"])


@given(st.sampled_from(["id", "object", "created_at", "x"]), st.floats() | st.integers() | st.text() | st.none())
def test_nothing_in_the_envelope_hides_the_data(name, value):
    event = decode(
        changed(EXAMPLES["response.completed"], {name: value}).replace(b"NaN", b"0").replace(b"Infinity", b"0")
    )
    assert isinstance(event, ResponseCompleted)
    assert event.data.id == EXAMPLES["response.completed"]["data"]["id"]

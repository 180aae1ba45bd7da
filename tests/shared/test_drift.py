import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookbus.events import BY_TYPE, ResponseCompleted, UnknownEvent
from hookbus.shared.decoding import UNDECODABLE, decode

DOCUMENTED = json.loads((Path(__file__).parents[1] / "data" / "openai_events.json").read_text())
EXAMPLES = {event["type"]: event["example"] for event in DOCUMENTED}
GONE = ...

ODD_ENVELOPES = [
    ({"created_at": 1719168000.25}, {"created_at": 1719168000}),
    ({"created_at": 1719168000.0}, {"created_at": 1719168000}),
    *(({"created_at": odd}, {"created_at": 0}) for odd in (None, GONE, "1719168000", True, [1], {})),
    *(({"object": odd}, {"object": "event"}) for odd in (None, GONE, 1, {})),
    *(({"id": odd}, {"id": ""}) for odd in (None, GONE, 5, ["evt_1"])),
    ({"id": None, "created_at": "soon", "object": 0}, {"id": "", "created_at": 0, "object": "event"}),
    ({"api_version": "2", "livemode": None}, {}),
]


def changed(example: dict[str, Any], changes: dict[str, Any]) -> bytes:
    return json.dumps({name: value for name, value in (example | changes).items() if value is not GONE}).encode()


@pytest.mark.parametrize(("changes", "become"), ODD_ENVELOPES, ids=[str(odd) for odd, _ in ODD_ENVELOPES])
def test_an_odd_envelope_costs_no_documented_event_its_class_or_its_data(changes, become):
    for event_type, example in EXAMPLES.items():
        plain, event = decode(json.dumps(example).encode()), decode(changed(example, changes))
        assert type(event) is BY_TYPE[event_type]
        assert event.data == plain.data
        for name in ("id", "created_at", "object"):
            assert getattr(event, name) == become.get(name, getattr(plain, name))


@pytest.mark.parametrize(("changes", "become"), ODD_ENVELOPES, ids=[str(odd) for odd, _ in ODD_ENVELOPES])
@pytest.mark.parametrize("data", [{"id": 1}, None, "text", GONE])
def test_an_unknown_event_takes_any_envelope_and_any_data(changes, become, data):
    plain = {"id": "evt_1", "object": "event", "created_at": 5, "type": "made.up", "data": data}
    event = decode(changed(plain, changes))
    told = {"id": "evt_1", "created_at": 5, "object": "event"} | become
    assert event == UnknownEvent("made.up", **told, data=None if data is GONE else data)


@pytest.mark.parametrize("rest", ['"data": NaN', '"data": "\\ud800"', '"data": 1e999, "id": 5', '"x": "\\udfff"'])
def test_an_unknown_event_takes_what_only_other_readers_take(rest):
    event = decode(f'\ufeff{{"type": "made.up", "created_at": 7, {rest}}}'.encode())
    assert isinstance(event, UnknownEvent)
    assert event.created_at == 7


@pytest.mark.parametrize("data", [GONE, None, {}, [], "x", {"id": None}, {"id": 5}])
@pytest.mark.parametrize("changes", [{}, {"created_at": 1.5}, {"id": GONE, "object": None}])
def test_data_stays_strict_whatever_the_envelope(changes, data):
    for example in EXAMPLES.values():
        with pytest.raises(UNDECODABLE):
            decode(changed(example, {"data": data} | changes))


def test_a_type_is_needed_even_by_an_unknown_event():
    for body in (b"{}", b'{"type": null, "created_at": 1.5}', b'[{"type": "a"}]', b'{"type": ["a"], "data": NaN}'):
        with pytest.raises(UNDECODABLE):
            decode(body)


@given(st.sampled_from(["id", "object", "created_at", "x"]), st.floats() | st.integers() | st.text() | st.none())
def test_nothing_in_the_envelope_hides_the_data(name, value):
    event = decode(
        changed(EXAMPLES["response.completed"], {name: value}).replace(b"NaN", b"0").replace(b"Infinity", b"0")
    )
    assert isinstance(event, ResponseCompleted)
    assert event.data.id == EXAMPLES["response.completed"]["data"]["id"]

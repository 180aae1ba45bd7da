import json
from pathlib import Path

import msgspec
import pytest

from hookbus.events import BY_TYPE, CLASSES, Envelope, UnknownEvent
from hookbus.shared import payloads

DOCUMENTED = json.loads((Path(__file__).parents[1] / "data" / "openai_events.json").read_text())


def test_there_is_a_class_for_each_documented_type_and_no_other():
    assert sorted(BY_TYPE) == sorted(event["type"] for event in DOCUMENTED)
    assert len(CLASSES) == len(BY_TYPE) == 34


@pytest.mark.parametrize("event", DOCUMENTED, ids=lambda event: event["type"])
def test_a_class_has_the_documented_fields_and_requires_no_optional_one(event):
    cls = BY_TYPE[event["type"]]
    (data,) = [field.type for field in msgspec.structs.fields(cls) if field.name == "data"]
    fields = {field.name: field for field in msgspec.structs.fields(data)}
    documented = event["data_fields"]
    assert set(fields) >= set(documented)
    for name, field in fields.items():  # classes shared by several types have optional fields more
        assert not field.required or documented[name]["required"] is not False, name


@pytest.mark.parametrize("event", DOCUMENTED, ids=lambda event: event["type"])
def test_an_example_decodes_with_nothing_lost(event):
    decoded = msgspec.convert(event["example"], BY_TYPE[event["type"]])
    assert decoded.type == event["type"]
    encoded = json.loads(msgspec.json.encode(decoded))
    assert encoded["type"] == event["type"]
    given = {key: value for key, value in encoded["data"].items() if value not in (None, [])}
    assert given == {key: value for key, value in event["example"]["data"].items() if value not in (None, [])}
    assert {key: encoded[key] for key in ("id", "object", "created_at")} == {
        key: event["example"][key] for key in ("id", "object", "created_at")
    }


def test_class_names_follow_types():
    for name, cls in BY_TYPE.items():
        assert cls.__name__.lower() == name.replace(".", "").replace("_", ""), name
        assert issubclass(cls, Envelope)


def test_no_field_is_a_closed_enumeration():
    structs = [value for value in vars(payloads).values() if isinstance(value, type)]
    for struct in structs:
        for field in msgspec.structs.fields(struct):
            assert "Literal" not in str(field.type)
            assert "Enum" not in str(field.type)


def test_repeated_sip_headers_are_kept_in_order():
    headers = [{"name": "Via", "value": "1"}, {"name": "Via", "value": "2"}]
    call = msgspec.convert({"call_id": "c", "sip_headers": headers}, payloads.RealtimeCall)
    assert [(header.name, header.value) for header in call.sip_headers] == [("Via", "1"), ("Via", "2")]


def test_an_unknown_event_needs_nothing_but_its_type():
    assert msgspec.json.decode(b'{"type": "x"}', type=UnknownEvent) == UnknownEvent("x")

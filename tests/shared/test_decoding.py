import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookbus.events import BY_TYPE, UnknownEvent
from hookbus.shared.undecodable import UNDECODABLE
from tests.shared.decoded import decode, read_type

DOCUMENTED = json.loads((Path(__file__).parents[1] / "data" / "openai_events.json").read_text())
EXAMPLES = {event["type"]: event["example"] for event in DOCUMENTED}


def example(event_type: str = "response.completed", **changed) -> bytes:
    return json.dumps(EXAMPLES[event_type] | changed).encode()


@pytest.mark.parametrize("event_type", sorted(EXAMPLES))
def test_an_example_becomes_its_own_class(event_type):
    event = decode(example(event_type))
    assert type(event) is BY_TYPE[event_type]
    assert event.type == read_type(example(event_type)) == event_type


@pytest.mark.parametrize("event_type", sorted(EXAMPLES))
def test_unknown_fields_are_ignored_and_object_may_be_absent(event_type):
    plain = dict(EXAMPLES[event_type])
    del plain["object"]
    grown = plain | {"new": [1], "data": plain["data"] | {"newer": {"a": None}}}
    assert decode(json.dumps(grown).encode()) == decode(example(event_type))


@pytest.mark.parametrize("event_type", sorted(EXAMPLES))
def test_a_known_type_without_its_data_is_undecodable_and_never_unknown(event_type):
    for broken in ({}, None, "x", []):
        with pytest.raises(UNDECODABLE):
            decode(example(event_type, data=broken))


def test_an_unknown_type_becomes_an_unknown_event():
    event = decode(b'{"type": "response.imagined", "id": "evt_1", "data": {"id": 1}, "created_at": 5}')
    assert event == UnknownEvent("response.imagined", "evt_1", 5, "event", {"id": 1})


def test_a_type_inside_data_is_ignored():
    event = decode(example("live.transport.incoming"))
    assert (event.type, event.data.type) == ("live.transport.incoming", "sip")
    assert type(decode(b'{"type": "x", "data": {"type": "response.completed"}}')) is UnknownEvent


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b'"response.completed"', b"{}", b'{"type": null}', b'{"type": 1}',
        b"\xff", b"[" * 100_000, b'{"type": "a"} trailing', b'{"a":' * 100_000, b"\xef\xbb\xbf{}",
    ],
)  # fmt: skip
def test_hostile_bytes_raise_declared_errors(body):
    for read in (read_type, decode):
        with pytest.raises(UNDECODABLE):
            read(body)


LENIENT_ONLY = [
    b'"data": {"id": "\\ud800"}}', b'"data": {"id": "\xed\xa0\x80"}}', b'"data": {"id": "\xff"}}', b'"data": NaN}',
    b'"data": {"id": "a\nb"}}', b'"data": {"id": "a"}, "x": [-Infinity, 1]}', b'"data": {"id": "a"}, "x": "\\ud800"}',
    b'"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'"data": ' + b'{"a":' * 9_000 + b"1" + b"}" * 9_001,
]  # fmt: skip


@pytest.mark.parametrize("end_of_body", LENIENT_ONLY, ids=range(len(LENIENT_ONLY)))
@pytest.mark.parametrize("byte_order_mark", [b"", b"\xef\xbb\xbf"], ids=["", "BOM"])
def test_a_body_that_only_lenient_readers_accept_has_a_type_but_is_undecodable(byte_order_mark, end_of_body):
    body = byte_order_mark + b'{"type": "response.completed", "id": "evt_1", "created_at": 1, ' + end_of_body
    assert read_type(body) == "response.completed"
    with pytest.raises(UNDECODABLE):
        decode(body)


def test_of_several_types_the_last_counts_whatever_precedes_it():
    assert read_type(b'{"type": 1, "type": "response.completed"}') == "response.completed"
    assert read_type(b'{"type": "a", "type": "b", "x": NaN}') == "b"
    assert read_type(b'{"created_at": 1e999, "type": "a"}') == "a"


TYPES = st.sampled_from([*sorted(EXAMPLES), "response.imagined", ""])


@given(TYPES, TYPES, st.booleans())
def test_a_type_given_twice_never_picks_a_wrong_class(first, second, data_between):
    data = json.dumps(EXAMPLES.get(second, EXAMPLES["response.completed"])["data"])
    middle = f'"data": {data}, ' if data_between else ""
    end = "" if data_between else f', "data": {data}'
    body = f'{{"type": "{first}", {middle}"id": "e", "created_at": 1, "type": "{second}"{end}}}'.encode()
    try:
        event = decode(body)
    except UNDECODABLE:
        return
    assert event.type == read_type(body) == json.loads(body)["type"]
    assert type(event) is BY_TYPE.get(event.type, UnknownEvent)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=10,
)


@given(TYPES | st.text(), st.dictionaries(st.sampled_from(["id", "object", "created_at", "data", "x"]), JSON))
def test_decoding_never_picks_a_wrong_class(event_type, fields):
    body = json.dumps(fields | {"type": event_type}).encode()
    assert read_type(body) == event_type
    try:
        event = decode(body)
    except UNDECODABLE:
        return
    assert event.type == event_type
    assert type(event) is BY_TYPE.get(event_type, UnknownEvent)


@given(st.binary())
def test_any_bytes_decode_or_raise_declared_errors(body):
    try:
        event = decode(body)
    except UNDECODABLE:
        return
    assert isinstance(event, msgspec.Struct)

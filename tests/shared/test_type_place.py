import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookbus.shared import decoding
from hookbus.shared.type_place import head_reader, problem, with_field, with_type
from hookbus.shared.undecodable import UNDECODABLE

CLAUDE = {"type": "event", "created_at": 5, "data": {"type": "session.idle"}}


@pytest.mark.parametrize("place", ["type", "data.type", "a.b.c", "event-type", "ü", "$type", "data.$type"])
def test_a_place_is_a_path_of_names(place):
    assert problem(place) == ""


@pytest.mark.parametrize(
    ("place", "advice"),
    [
        ("", "such as 'data.type'"),
        (".", "such as 'data.type'"),
        ("x" * 129, "128 characters at most, such as 'data.type'"),
        ("a.", "write 'a'"),
        (".a", "write 'a'"),
        ("a..b", "write 'a.b'"),
        (" ", "such as 'data.type'"),
        ("data type", "write 'data.type'"),
        ("data.type\n", "write 'data.type'"),
        ("data.\0", "such as 'data.type'"),
        ("$", "such as 'data.type'"),
        ("$.type", "write 'type'"),
        ("$.data.type", "write 'data.type'"),
        ("/data/type", "write 'data.type'"),
        ("data[0].type", "such as 'data.type'"),
        ("data['type']", "such as 'data.type'"),
    ],
)
def test_a_path_of_another_language_is_refused_with_what_to_write(place, advice):
    found = problem(place)
    assert "is not names separated by dots" in found
    assert found.endswith(advice)


def test_openais_place_is_read_by_the_faster_reader():
    assert head_reader("type") is decoding.read_head


def test_a_deeper_type_is_read_and_the_outer_one_is_not():
    head = head_reader("data.type")(json.dumps(CLAUDE).encode())
    assert (head.type, head.created_at) == ("session.idle", 5)


@pytest.mark.parametrize("tail", ['"x": NaN}', '"x": "\\ud800"}', '"x": "a\nb"}'])
def test_a_body_that_only_lenient_readers_accept_keeps_its_type(tail):
    assert head_reader("data.type")(f'{{"data": {{"type": "a.b"}}, {tail}'.encode()).type == "a.b"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b'"x"', b"{}", b'{"type": "a"}', b'{"data": "a"}', b'{"data": null}',
        b'{"data": {"type": 1}}', b'{"data": {"type": null}}', b'{"data": [{"type": "a"}]}', b"\xff", b"[" * 100_000,
        b'{"data": ' + b'{"a":' * 100_000,
    ],
)  # fmt: skip
def test_a_body_without_a_type_at_its_place_raises_declared_errors(body):
    with pytest.raises(UNDECODABLE):
        head_reader("data.type")(body)


@given(st.binary() | st.text().map(str.encode), st.sampled_from(["data.type", "event", "a.b.c"]))
def test_any_bytes_have_a_type_or_raise_declared_errors(body, place):
    try:
        head = head_reader(place)(body)
    except UNDECODABLE:
        return
    assert isinstance(head.type, str)


def test_a_field_is_set_in_a_copy_and_missing_parents_are_created():
    table = {"data": {"id": 1}}
    assert with_field(table, "data.type", "a") == {"data": {"id": 1, "type": "a"}}
    assert with_field(table, "x.y.z", "a") == {"data": {"id": 1}, "x": {"y": {"z": "a"}}}
    assert table == {"data": {"id": 1}}
    with pytest.raises(ValueError, match="'id' is no object"):
        with_field(table, "data.id.type", "a")


def test_a_type_replaces_what_is_no_object_on_its_way():
    table = {"id": "evt_1", "data": {"id": 1}}
    assert with_type(table, "data.type", "a") == {"id": "evt_1", "data": {"id": 1, "type": "a"}}
    assert with_type(table, "id.kind.type", "a") == {"id": {"kind": {"type": "a"}}, "data": {"id": 1}}
    assert with_type(table, "data", "a") == {"id": "evt_1", "data": "a"}
    assert table == {"id": "evt_1", "data": {"id": 1}}


@given(st.from_regex(r"[a-c]{1,2}(\.[a-c]{1,2}){0,3}", fullmatch=True), st.text(min_size=1))
def test_what_is_set_at_a_place_is_read_there(place, event_type):
    body = json.dumps(with_type({}, place, event_type)).encode()
    assert head_reader(place)(body).type == event_type.encode("utf-8", "replace").decode("utf-8", "replace")

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookbus.shared import decoding
from hookbus.shared.decoding import UNDECODABLE
from hookbus.shared.type_place import head_reader, is_place, with_field

CLAUDE = {"type": "event", "created_at": 5, "data": {"type": "session.idle"}}


@pytest.mark.parametrize("place", ["type", "data.type", "a.b.c", "event-type", "ü"])
def test_a_place_is_a_path_of_names(place):
    assert is_place(place)


@pytest.mark.parametrize("place", ["", ".", "a.", ".a", "a..b", "x" * 129])
def test_other_texts_are_no_places(place):
    assert not is_place(place)


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


@given(st.from_regex(r"[a-c]{1,2}(\.[a-c]{1,2}){0,3}", fullmatch=True), st.text(min_size=1))
def test_what_is_set_at_a_place_is_read_there(place, event_type):
    body = json.dumps(with_field({}, place, event_type)).encode()
    assert head_reader(place)(body).type == event_type.encode("utf-8", "replace").decode("utf-8", "replace")

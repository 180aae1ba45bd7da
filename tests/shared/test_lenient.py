import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookbus.shared.lenient import HEAD_BYTES, TOKENS, document, top_level
from hookbus.shared.undecodable import UNDECODABLE

DEEP = 50_000
"""More levels than a recursive reader in Python can take."""


def nested(levels: int, opening: str = "[", closing: str = "]") -> str:
    return opening * levels + "1" * (opening[-1] == ":") + closing * levels


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"a": "\\ud800"}', {"a": "\ud800"}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('{"a": 1}'.encode("utf-16"), {"a": 1}),
        (b'{"a": "\xff"}', {"a": "\ufffd"}),
        (b'{"a": "x\ny\x00"}', {"a": "x\ny\x00"}),
        (b'{"a": -Infinity, "b": 1e999}', {"a": float("-inf"), "b": float("inf")}),
        (b'{"a": 1, "a": {}}', {"a": {}}),
        (b'{"a": %s}' % (b"9" * 5_000), {"a": float("inf")}),
        (b'{"a": %s}' % (b"9" * 400), {"a": int("9" * 400)}),
    ],
)
def test_bodies_that_lenient_readers_accept_are_read_in_the_same_way(body, found):
    assert document(body) == top_level(body) == found


@pytest.mark.parametrize("body", [b"", b"{", b"[1", b'{"a":}', b'{"a":1}x', b'{"a":1,}', b"{a:1}", b"\xff"])
def test_bodies_that_no_reader_accepts_are_refused(body):
    for read in (document, top_level):
        with pytest.raises(UNDECODABLE):
            read(body)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"a"', b"NaN"])
def test_only_an_object_has_a_top_level(body):
    with pytest.raises(ValueError, match="not a JSON object"):
        top_level(body)


@pytest.mark.parametrize(
    "deep", [nested(DEEP), nested(20_000, '{"x":', "}"), nested(DEEP // 2, "[ ", " ]"), nested(DEEP, "[[", "]]")]
)
def test_a_document_of_any_depth_has_a_top_level(deep):
    text = f'\n{{ "x" : {deep} , "a\\u0062" : "{{\\"]" , "y":[{{}}, {{}}],"n":NaN, "z": "last" }} '
    found = top_level(text.encode())
    assert (found["ab"], found["z"], found["x"]) == ('{"]', "last", None)


def test_the_last_of_duplicate_keys_counts_at_any_depth():
    text = f'{{"a": "first", "x": {nested(DEEP)}, "a": [], "b": {{}}, "b": 2}}'
    assert top_level(text.encode()) == {"a": None, "x": None, "b": 2}


@pytest.mark.parametrize("end", ["", "]", "}}", "} x", ",}", ", 1}", '"}', ', "b"}', ', "b":}', ', "b":1 2}'])
def test_a_deep_document_with_a_wrong_end_is_refused(end):
    with pytest.raises(UNDECODABLE):
        top_level(f'{{"type": "a", "x": {nested(DEEP)}{end}'.encode())


def test_documents_that_take_too_long_to_read_are_refused():
    many = "[],".join(["["] + [""] * TOKENS)
    for body in (b'{"a": "%s"}' % (b"x" * HEAD_BYTES), f'{{"x": {nested(DEEP)}, "y": {many}1]}}'.encode()):
        with pytest.raises(ValueError, match="more than"):
            top_level(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON))
def test_the_top_level_of_a_deep_document_is_what_python_reads(fields):
    text = json.dumps(fields | {"deep": 0}).removesuffix("0}") + nested(DEEP) + "}"
    flat = {name: None if isinstance(value, dict | list) else value for name, value in fields.items()}
    assert repr(top_level(text.encode())) == repr(flat | {"deep": None}) or "deep" in fields


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_read_or_raise_declared_errors(body):
    for read in (document, top_level):
        try:
            read(body)
        except (ValueError, RecursionError):
            continue

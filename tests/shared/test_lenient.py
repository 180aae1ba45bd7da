import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookbus.shared.decoding import UNDECODABLE
from hookbus.shared.lenient import HEAD_BYTES, TOKENS, document, top_level

DEEP = 50_000
"""Levels that no recursive reader of Python's takes."""


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
def test_what_other_readers_take_is_read_as_they_read_it(body, found):
    assert document(body) == top_level(body) == found


@pytest.mark.parametrize("body", [b"", b"{", b"[1", b'{"a":}', b'{"a":1}x', b'{"a":1,}', b"{a:1}", b"\xff"])
def test_what_no_reader_takes_is_refused(body):
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


def test_of_a_key_that_stands_twice_the_last_counts_at_any_depth():
    text = f'{{"a": "first", "x": {nested(DEEP)}, "a": [], "b": {{}}, "b": 2}}'
    assert top_level(text.encode()) == {"a": None, "x": None, "b": 2}


@pytest.mark.parametrize("end", ["", "]", "}}", "} x", ",}", ", 1}", '"}', ', "b"}', ', "b":}', ', "b":1 2}'])
def test_a_deep_document_that_does_not_end_as_it_should_is_refused(end):
    with pytest.raises(UNDECODABLE):
        top_level(f'{{"type": "a", "x": {nested(DEEP)}{end}'.encode())


def test_what_would_take_too_long_is_refused():
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
def test_what_is_looked_at_in_a_deep_document_is_what_python_reads(rest):
    text = json.dumps(rest | {"deep": 0}).removesuffix("0}") + nested(DEEP) + "}"
    flat = {name: None if isinstance(value, dict | list) else value for name, value in rest.items()}
    assert repr(top_level(text.encode())) == repr(flat | {"deep": None}) or "deep" in rest


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_read_or_raise_what_is_declared(body):
    for read in (document, top_level):
        try:
            read(body)
        except (ValueError, RecursionError):
            continue

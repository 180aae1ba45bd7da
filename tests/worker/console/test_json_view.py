import gc
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookbus.worker.console import json_view
from hookbus.worker.console.json_view import MAX_DEPTH, MAX_SHOWN_BYTES, shown

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


def text_of(body: bytes) -> str:
    """What a reader sees."""
    return "\n".join(line.striptags() if "<" in line else line.unescape() for line in shown(body).lines)


@given(VALUES)
def test_any_json_is_shown_by_its_values_and_nothing_of_it_is_markup(value):
    found = shown(json.dumps(value).encode())
    assert found.is_json
    for line in found.lines:
        assert line.count("<") == line.count('<span class="') + line.count("</span>")


def test_an_object_has_a_line_for_each_value_as_it_was_written():
    body = b'{"a":1.0,"a":[true,null],"big":123456789012345678901234567890,"e":{},"l":[],"s":"<b>\\u001b"}'
    assert [line.striptags() for line in shown(body).lines] == [
        "{", '"a": 1.0,', '"a": [', "true,", "null", "],", '"big": 123456789012345678901234567890,', '"e": {},',
        '"l": [],', '"s": "<b>\\u001b"', "}",
    ]  # fmt: skip
    assert '<span class="s">&#34;&lt;b&gt;' in str(shown(body).lines[-2])


def test_what_is_no_json_or_too_deep_is_shown_as_it_came():
    deep = b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2)
    for body in (b"not json <b>", b"\xff\x00", b"[" * 10_000 + b"]" * 10_000, deep):
        found = shown(body)
        assert (found.is_json, found.is_cut) == (False, False)
        assert "<b>" not in "".join(found.lines)


def test_a_body_is_shown_as_it_came_on_demand():
    body = b'{"a": 1,\n "b":2}'
    assert shown(body, is_raw=True) == (["{&#34;a&#34;: 1,", " &#34;b&#34;:2}"], False, False)


def test_a_long_body_is_cut():
    found = shown(json.dumps({"a": "x" * MAX_SHOWN_BYTES}).encode())
    assert (found.is_json, found.is_cut) == (False, True)
    assert sum(len(line.unescape()) for line in found.lines) == MAX_SHOWN_BYTES
    assert json_view.MAX_SHOWN_BYTES == 65_536


def filled(piece: bytes) -> bytes:
    return (piece * MAX_SHOWN_BYTES)[: MAX_SHOWN_BYTES - 2]


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"1," * (MAX_SHOWN_BYTES // 2 - 2) + b"1]",
        b"[" + b"[]," * (MAX_SHOWN_BYTES // 3 - 3) + b"[]]",
        b'{"a":[' + b'{"":0},' * 9_000 + b"0]}",
        b'"' + b"\\u0000" * 10_000 + b'"',
        filled(b"\0"),
        filled(b"\0a"),
        filled(b"\0\n"),
        filled(b"<"),
        filled("\u202e".encode()),
        b'"' + filled("\u202ea".encode())[:-4] + b'"',
        b'["' + b'<\\u202e","' * 6_000 + b'"]',
    ],
    ids=lambda body: repr(body[:12]),
)
def test_no_body_costs_more_than_a_page_may(body):
    assert len(body) <= MAX_SHOWN_BYTES + 2
    gc.disable()  # a collection costs as much as the objects of all other tests do
    try:
        started = time.thread_time()
        found = shown(body)
        took_s = time.thread_time() - started
    finally:
        gc.enable()
    assert found.lines
    assert sum(map(len, found.lines)) < 220_000
    assert len(found.lines) <= 2_001
    assert took_s < 0.25  # some 20 ms; it was 1.5 s

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookbus.shared.entry import HISTORY_KEPT, Entry, Failure, parse, redelivery_fields

WORD = st.text(st.characters(codec="utf-8"), max_size=20)
FAILURES = st.builds(Failure, st.integers(1, 99), st.integers(0, 2**45), st.integers(0, 2**31), WORD, WORD)
ENTRIES = st.builds(Entry, WORD, WORD, st.integers(0, 2**45), st.binary(), WORD, is_replay=st.booleans())


@given(ENTRIES, st.integers(1, 1000), st.lists(FAILURES, max_size=5))
def test_a_redelivery_is_read_as_it_was_written(entry, attempt, history):
    found = parse(redelivery_fields(entry, attempt, history))
    assert found == msgspec.structs.replace(entry, attempt=attempt, history=tuple(history))


def test_a_first_delivery_is_attempt_1_without_a_history():
    found = parse([b"id", b"wh_1", b"src", b"openai", b"at", b"5", b"body", b"\x00\xff"])
    assert found == Entry("wh_1", "openai", 5, b"\x00\xff", "", 1, ())


def test_fields_come_in_any_order_and_unknown_ones_are_ignored():
    found = parse([b"new", b"?", b"body", b"b", b"at", b"5", b"src", b"s", b"id", b"i"])
    assert found == Entry("i", "s", 5, b"b")


def test_the_newest_failures_are_kept():
    history = [Failure(n, n, n, "c", "e") for n in range(1, 100)]
    found = parse(redelivery_fields(Entry("i", "s", 5, b""), 100, history))
    assert found.history == tuple(history[-HISTORY_KEPT:])


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [b"a", b"b"],
        [b"id"],
        [b"id", b"i", b"src", b"s", b"at", b"soon", b"body", b""],
        [b"id", b"\xff", b"src", b"s", b"at", b"1", b"body", b""],
        [b"id", b"i", b"src", b"s", b"at", b"1", b"body", b"", b"history", b"\xc1"],
    ],
)
def test_foreign_entries_raise_a_key_or_value_error(fields):
    with pytest.raises((KeyError, ValueError)):
        parse(fields)

import contextlib
import io

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookbus.worker.dlq import jsonl
from hookbus.worker.dlq.jsonl import LineError, numbered, read_line, write_line
from tests.worker.dead_letters import DEAD_MS, letter


def read(lines):
    """Number, name and letter of each line."""
    for number, text in enumerate(lines, 1):
        if (found := numbered(number, text)) is not None:
            yield number, *found


FIELDS = jsonl.fields("wh_1", letter())


def line(**changes) -> bytes:
    return msgspec.json.encode({k: v for k, v in (FIELDS | changes).items() if v is not None})


@given(
    body=st.binary(max_size=200), message=st.text(max_size=50), attempts=st.integers(0, 2**40), is_replay=st.booleans()
)
def test_a_letter_written_and_read_is_unchanged(body, message, attempts, is_replay):
    record = letter(body=body, message=message, attempts=attempts, is_replay=is_replay)
    written = write_line("wh_1", record)
    assert written.count(b"\n") == 1
    assert read_line(written) == ("wh_1", record)


@pytest.mark.parametrize(
    ("body", "key"),
    [(b"", "body"), ("é\u2028\x00".encode(), "body"), (b"\xef\xbb\xbf{}", "body"), (b"\xff", "body_base64")],
)
def test_a_body_is_text_where_it_is_utf8_and_base64_elsewhere(body, key):
    fields = jsonl.fields("wh_1", letter(body=body))
    assert {name for name in fields if name.startswith("body")} == {key}
    assert read_line(msgspec.json.encode(fields))[1].body == body


def test_a_line_names_every_field():
    assert list(FIELDS) == [
        "letter", "group", "type", "webhook_id", "source", "received_at_ms", "dead_lettered_at_ms", "reason",
        "error_class", "message", "frame", "fingerprint", "attempts", "is_replay", "traceback", "history",
        "traceparent", "body",
    ]  # fmt: skip
    assert list(FIELDS["history"][0]) == ["attempt", "at_ms", "duration_ms", "consumer", "error", "times", "since_ms"]


def test_the_fingerprint_is_computed_from_the_cause_not_read_from_the_line():
    assert read_line(line(fingerprint="fp:{1}"))[1].fingerprint == letter().fingerprint
    assert read_line(line(fingerprint=None))[1] == letter()


def test_a_line_of_a_release_without_replays_can_be_read():
    assert read_line(line(is_replay=None))[1] == letter()


def test_fields_that_a_later_release_adds_are_ignored():
    assert read_line(line(mood="fine"))[1] == letter()


@pytest.mark.parametrize("name", ["wh_1", "wh_1~1700000000000-0", "wh_1~1-0~2-1"])
def test_a_name_is_the_webhook_id_or_that_with_entry_ids_appended(name):
    assert read_line(line(letter=name))[0] == name


def test_an_export_from_before_0_1_is_read():
    fields = {name: value for name, value in FIELDS.items() if name != "dead_lettered_at_ms"}
    assert read_line(msgspec.json.encode(fields | {"died_at_ms": DEAD_MS})) == ("wh_1", letter())
    with pytest.raises(ValueError, match="dead_lettered_at_ms"):
        read_line(msgspec.json.encode(fields))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"letter": "wh_2"}, "letter"),
        ({"letter": "wh_1~x"}, "letter"),
        ({"letter": None}, "letter"),
        ({"type": "a:b"}, "type"),
        ({"type": ""}, "type"),
        ({"group": "{0}"}, "group"),
        ({"webhook_id": "wh 1"}, "webhook_id"),
        ({"webhook_id": "w" * 256}, "webhook_id"),
        ({"reason": "bored"}, "reason"),
        ({"dead_lettered_at_ms": -1}, "dead_lettered_at_ms"),
        ({"dead_lettered_at_ms": 2**60}, "dead_lettered_at_ms"),
        ({"dead_lettered_at_ms": str(DEAD_MS)}, "dead_lettered_at_ms"),
        ({"attempts": -1}, "attempts"),
        ({"history": [{"attempt": 1}]}, "history"),
        ({"body": None}, "either body or body_base64"),
        ({"body_base64": "AA=="}, "either body or body_base64"),
        ({"body": None, "body_base64": "A"}, "not base64"),
        ({"body": None, "body_base64": "é"}, "not base64"),
    ],
)
def test_an_invalid_field_is_named(changes, problem):
    with pytest.raises(ValueError, match=problem):
        read_line(line(**changes))


@pytest.mark.parametrize("text", [b"nonsense", b"[]", b"{", b'{"letter": "\xff"}', b"[" * 100_000, b'{"a":' * 100_000])
def test_an_invalid_line_is_reported_with_its_number(text):
    lines = io.BytesIO(write_line("wh_1", letter()) + b"\n \n" + text + b"\n")
    letters = read(lines)
    assert next(letters) == (1, "wh_1", letter())
    with pytest.raises(LineError, match=r"^line 4: "):
        next(letters)


@given(text=st.binary(max_size=200))
def test_any_input_raises_only_line_errors(text):
    with contextlib.suppress(LineError):
        list(read(io.BytesIO(text)))


def test_the_last_line_needs_no_newline():
    assert [number for number, _, _ in read(io.BytesIO(line() + b"\n" + line()))] == [1, 2]

import msgspec
import pytest

from hookbus.shared import entry
from hookbus.shared.entry import Entry, Failure
from hookbus.worker.api.delivery import Delivery, InFlight
from hookbus.worker.api.retry import Retry
from hookbus.worker.pipeline import dead_letter, outcome
from hookbus.worker.pipeline.outcome import Cause, DeadLetter

FAILURE = Failure(2, 1_700_000_000_000, 15, "host.1.abcd", "ValueError: no")
ENTRY = Entry("wh_1", "openai", 1_600_000_000_000, b"\x00\xffbody", "00-trace-01", 2, (FAILURE,), is_replay=True)


def in_flight() -> InFlight:
    delivery = Delivery("wh_1", "openai", "batch.failed", "billing", 2, ENTRY.received_at_ms, ENTRY.body)
    return InFlight("hookbus:{0}:stream:batch.failed", b"5-0", False, ENTRY, delivery)


def written(cause: Cause) -> dead_letter.DeadLetterRecord:
    return dead_letter.write(in_flight(), DeadLetter("rejected", cause), (FAILURE,), 1_700_000_000_000)


def test_a_letter_holds_all_fields_of_its_delivery_and_its_cause():
    assert written(Cause("Reject", "why", "Traceback …", "handlers.py:record")) == dead_letter.DeadLetterRecord(
        type="batch.failed",
        group="billing",
        webhook_id="wh_1",
        source="openai",
        received_at_ms=1_600_000_000_000,
        dead_lettered_at_ms=1_700_000_000_000,
        reason="rejected",
        error_class="Reject",
        message="why",
        traceback="Traceback …",
        frame="handlers.py:record",
        fingerprint=dead_letter.fingerprint("Reject", "handlers.py:record", "batch.failed", "rejected"),
        attempts=2,
        history=(FAILURE,),
        body=b"\x00\xffbody",
        traceparent="00-trace-01",
        is_replay=True,
    )


def test_a_letter_packed_and_unpacked_is_unchanged():
    record = written(Cause("Reject", "why", "Traceback …", "handlers.py:record"))
    assert dead_letter.decode(dead_letter.encode(record)) == record
    assert dead_letter.decode_kind(dead_letter.encode(record.kind)) == record.kind


def test_the_event_in_a_letter_is_as_it_was_stored_but_at_its_first_attempt():
    redelivered = entry.parse(entry.redelivery_fields(written(Cause("Reject", "why")).entry(), 1, (FAILURE,)))
    assert redelivered == msgspec.structs.replace(ENTRY, attempt=1)


def test_a_letter_of_a_release_without_replays_can_be_read():
    record = written(Cause("Reject", "why"))
    *older, _ = msgspec.msgpack.decode(dead_letter.encode(record))
    assert dead_letter.decode(msgspec.msgpack.encode(older)) == msgspec.structs.replace(record, is_replay=False)


def test_letters_of_one_cause_share_a_fingerprint_whatever_their_messages():
    first = written(Cause("ValueError", "no customer 1", "line 7", "handlers.py:record"))
    other = written(Cause("ValueError", "no customer 2", "line 8", "handlers.py:record"))
    assert first.fingerprint == other.fingerprint
    assert len(first.fingerprint) == 10


@pytest.mark.parametrize(
    "other",
    [
        ("KeyError", "handlers.py:record", "batch.failed", "rejected"),
        ("ValueError", "handlers.py:answer", "batch.failed", "rejected"),
        ("ValueError", "handlers.py:record", "batch.expired", "rejected"),
        ("ValueError", "handlers.py:record", "batch.failed", "attempts_exhausted"),
    ],
)
def test_a_fingerprint_tells_class_frame_type_and_reason_apart(other):
    assert dead_letter.fingerprint(*other) != dead_letter.fingerprint(
        "ValueError", "handlers.py:record", "batch.failed", "rejected"
    )


def test_an_error_text_that_is_no_valid_utf8_is_stored():
    bury = outcome.failed(ValueError("half of a pair: \ud83d"), 1, Retry(attempts=1))
    assert isinstance(bury, DeadLetter)
    record = dead_letter.write(in_flight(), bury, (), 1_700_000_000_000)
    assert dead_letter.decode(dead_letter.encode(record)).message == r"half of a pair: \ud83d"

import pytest

from hookbus.shared import ingest_record
from hookbus.shared.ingest_record import SILENT_S, UNKNOWN, IngestRecord


def test_a_record_written_and_read_is_unchanged():
    record = IngestRecord(2, 1, "0.3.0", ("a:1",), ("openai",), "fsync", "abcd", "draining", {"accepted": 3})
    assert ingest_record.read({"a": ingest_record.encode(record)}) == {"a": record}


@pytest.mark.parametrize("stored", [b"", b"{", b"\xff", b'{"at_ms": "x"}', b"[]"])
def test_what_hookbus_did_not_write_is_an_unknown_process(stored):
    assert ingest_record.read({"a": stored}) == {"a": UNKNOWN}


def test_a_process_that_has_not_written_for_three_intervals_is_silent():
    record = IngestRecord(1_000_000, 0)
    assert not record.is_silent(1_000_000 + round(SILENT_S * 1000))
    assert record.is_silent(1_000_001 + round(SILENT_S * 1000))

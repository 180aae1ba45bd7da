import prometheus_client

from hookbus.ingest.commit import Received
from hookbus.ingest.measures import Stored
from hookbus.shared.metrics import OTHER


def sample(name: str, **labels: str) -> float:
    return prometheus_client.REGISTRY.get_sample_value(f"hookbus_ingest_{name}", labels) or 0


def received(
    event_type: str = "batch.failed",
    source: str = "openai",
    at_ms: int = 1_000,
    body: bytes = b"{}",
    delay_ms: int | None = None,
) -> Received:
    return Received(event_type, "wh_1", source, at_ms, body, delay_ms=delay_ms)


def test_only_what_was_new_counts_as_stored():
    before = sample("stored_events_total", type="batch.failed"), sample("stored_bytes_total", type="batch.failed")
    Stored().count([received(body=b"12345"), received(body=b"1"), received(body=b"123")], b"101", 0.1)
    after = sample("stored_events_total", type="batch.failed"), sample("stored_bytes_total", type="batch.failed")
    assert (after[0] - before[0], after[1] - before[1]) == (2, 8)


def test_the_last_event_of_each_source_is_told_in_seconds_also_when_it_was_a_duplicate():
    Stored().count([received(at_ms=1_500), received(source="partner", at_ms=2_500), received(at_ms=3_500)], b"000", 0.1)
    assert sample("last_event_timestamp_seconds", source="openai") == 3.5
    assert sample("last_event_timestamp_seconds", source="partner") == 2.5


def test_minted_types_share_one_label():
    before = sample("stored_events_total", type=OTHER)
    stored = Stored()
    stored.count([received(f"minted.{i}") for i in range(100)], b"1" * 100, 0.1)
    assert sample("stored_events_total", type=OTHER) == before + 100
    assert list(stored._sums) == [OTHER]


def test_a_commit_is_timed():
    before = sample("enqueue_seconds_sum")
    Stored().count([received()], b"1", 0.25)
    assert sample("enqueue_seconds_sum") == before + 0.25


def test_how_late_each_source_is_counts_new_events_that_say_when_they_were_made():
    def told(source: str) -> tuple[float, float]:
        return sample("sender_late_seconds_count", source=source), sample("sender_late_seconds_sum", source=source)

    before = told("openai"), told("late")
    events = [received(delay_ms=0), received(source="late", delay_ms=90_500), received(delay_ms=7_000), received()]
    Stored().count(events, b"1101", 0.1)
    assert (told("openai")[0] - before[0][0], told("openai")[1] - before[0][1]) == (1, 0)
    assert (told("late")[0] - before[1][0], told("late")[1] - before[1][1]) == (1, 90.5)

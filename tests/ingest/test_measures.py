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


def test_only_new_events_count_as_stored():
    before = sample("stored_events_total", type="batch.failed"), sample("stored_bytes_total", type="batch.failed")
    Stored().count([received(body=b"12345"), received(body=b"1"), received(body=b"123")], b"101", 0.1)
    after = sample("stored_events_total", type="batch.failed"), sample("stored_bytes_total", type="batch.failed")
    assert (after[0] - before[0], after[1] - before[1]) == (2, 8)


def test_the_time_of_the_last_event_of_each_source_counts_duplicates_too():
    Stored().count([received(at_ms=1_500), received(source="partner", at_ms=2_500), received(at_ms=3_500)], b"000", 0.1)
    assert sample("last_event_timestamp_seconds", source="openai") == 3.5
    assert sample("last_event_timestamp_seconds", source="partner") == 2.5


def test_undocumented_types_share_one_label():
    before = sample("stored_events_total", type=OTHER)
    stored = Stored()
    stored.count([received(f"minted.{i}") for i in range(100)], b"1" * 100, 0.1)
    assert sample("stored_events_total", type=OTHER) == before + 100
    assert list(stored._sums) == [OTHER]


def test_a_commit_is_timed():
    before = sample("enqueue_seconds_sum")
    Stored().count([received()], b"1", 0.25)
    assert sample("enqueue_seconds_sum") == before + 0.25


def test_the_delay_of_a_source_counts_new_events_with_a_created_at():
    def delays(source: str) -> tuple[float, float]:
        return sample("sender_delay_seconds_count", source=source), sample("sender_delay_seconds_sum", source=source)

    before = delays("openai"), delays("late")
    events = [received(delay_ms=0), received(source="late", delay_ms=90_500), received(delay_ms=7_000), received()]
    Stored().count(events, b"1101", 0.1)
    assert (delays("openai")[0] - before[0][0], delays("openai")[1] - before[0][1]) == (1, 0)
    assert (delays("late")[0] - before[1][0], delays("late")[1] - before[1][1]) == (1, 90.5)

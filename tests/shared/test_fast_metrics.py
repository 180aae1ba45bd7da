"""Our counters and histograms export the same values and text as those of prometheus-client."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from hookbus.shared.fast_metrics import CounterFamily, HistogramFamily

BUCKETS = (0.001, 0.5, 1, 10)


def text(registry: CollectorRegistry) -> list[str]:
    """All samples but the times of creation, which ours do not export."""
    return sorted(line for line in generate_latest(registry).decode().splitlines() if "_created" not in line)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from((0, 0.001, 0.0011, 0.5, 1, 3, 10, 11)))))
def test_a_histogram_exports_the_same_text_as_prometheus_client(values):
    ours, expected = CollectorRegistry(), CollectorRegistry()
    spreads = HistogramFamily("lag_seconds", "How late.", ["kind"], buckets=BUCKETS, registry=ours)
    histogram = Histogram("lag_seconds", "How late.", ["kind"], buckets=BUCKETS, registry=expected)
    for kind, value in values:
        spreads.labels(kind).observe(value)
        histogram.labels(kind).observe(value)
    assert text(ours) == text(expected)


def test_a_counter_exports_the_same_text_as_prometheus_client():
    ours, expected = CollectorRegistry(), CollectorRegistry()
    sums = CounterFamily("events_total", "Events.", ["kind", "way"], registry=ours)
    counter = Counter("events_total", "Events.", ["kind", "way"], registry=expected)
    for labels, count in ((("a", "x"), 3), (('odd"\n', "x"), 1), (("a", "x"), 2)):
        sums.labels(*labels).value += count
        counter.labels(*labels).inc(count)
    assert text(ours) == text(expected)


def test_a_family_without_labels_is_exported_before_its_first_count():
    registry = CollectorRegistry()
    HistogramFamily("lag_seconds", "How late.", buckets=BUCKETS, registry=registry).labels()
    assert registry.get_sample_value("lag_seconds_count") == 0


def test_a_name_can_be_taken_once():
    registry = CollectorRegistry()
    CounterFamily("events_total", "Events.", registry=registry)
    with pytest.raises(ValueError, match="Duplicated"):
        Counter("events_total", "Events.", registry=registry)

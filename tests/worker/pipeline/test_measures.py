from typing import get_args
from uuid import uuid4

import prometheus_client
import pytest
import structlog.testing

from hookbus.events import BY_TYPE
from hookbus.shared.metrics import OTHER
from hookbus.worker.api.retry import Retry
from hookbus.worker.pipeline import outcome
from hookbus.worker.pipeline.measures import Measures
from hookbus.worker.pipeline.outcome import SKIP, Ack, Park, Reason, Reject

TYPE = "response.completed"


@pytest.fixture
def group() -> str:
    """A group name without counters."""
    return f"group-{uuid4()}"


def sample(name: str, **labels: str) -> float | None:
    return prometheus_client.REGISTRY.get_sample_value(f"hookbus_worker_{name}", labels)


def series(group: str) -> set[str]:
    """The type labels of a group."""
    families = prometheus_client.REGISTRY.collect()
    samples = (sample for family in families for sample in family.samples)
    return {sample.labels["type"] for sample in samples if sample.labels.get("group") == group}


def test_outcomes_are_counted_and_attempts_only_when_there_will_be_no_more(group):
    measures = Measures(group, TYPE)
    measures.settled(TYPE, Park(1.0, outcome.describe(ValueError())), 1)
    measures.settled(TYPE, Ack(), 2)
    measures.settled(TYPE, outcome.failed(Reject("no"), 3, Retry()), 3)
    counts = [
        sample("deliveries_total", group=group, type=TYPE, outcome=n) for n in ("handled", "parked", "dead_letter")
    ]
    assert counts == [1, 1, 1]
    assert sample("attempts_sum", group=group, type=TYPE) == 5
    assert sample("attempts_count", group=group, type=TYPE) == 2
    reasons = {
        reason: sample("dead_letters_total", group=group, type=TYPE, reason=reason) for reason in get_args(Reason)
    }
    assert reasons == dict.fromkeys(get_args(Reason), 0) | {"rejected": 1}


def test_a_skipped_delivery_is_counted_as_such_and_not_as_an_attempt(group):
    measures = Measures(group, TYPE)
    measures.settled(TYPE, SKIP, 1)
    counts = [sample("deliveries_total", group=group, type=TYPE, outcome=name) for name in ("skipped", "handled")]
    assert counts == [1, 0]
    assert sample("attempts_count", group=group, type=TYPE) == 0


def test_types_that_are_neither_documented_nor_configured_share_one_label(group):
    measures = Measures(group, "mine.own")
    for name in ("mine.own", TYPE, *(f"minted.{i}" for i in range(1000))):
        measures.settled(name, Ack(), 1)
    assert series(group) == {"mine.own", TYPE, OTHER}
    assert sample("deliveries_total", group=group, type=OTHER, outcome="handled") == 1000
    assert len(measures._counts) <= len(BY_TYPE) + 3


def test_a_type_has_no_series_before_its_first_event(group):
    Measures(group, "*")
    assert series(group) == set()


def test_the_shards_of_a_subscription_add_up(group):
    for _ in range(2):
        Measures(group, TYPE).of(TYPE).takeovers.value += 2
    assert sample("takeovers_total", group=group, type=TYPE) == 4


def test_the_first_undecodable_event_of_a_documented_type_is_an_error_and_no_other_is(group):
    with structlog.testing.capture_logs() as lines:
        measures = Measures(group, "*")
        for event_type in (TYPE, TYPE, "made.up", "untyped", "batch.failed"):
            measures.settled(event_type, outcome.undecodable(ValueError("no data")), 1)
            measures.settled(event_type, outcome.failed(Reject("no"), 1, Retry()), 1)
    levels = [(line["log_level"], line["event"], line["group"], line["type"], line["error"]) for line in lines]
    assert levels == [
        ("error", "event_schema_changed", group, name, "ValueError: no data") for name in (TYPE, "batch.failed")
    ]
    assert sample("dead_letters_total", group=group, type=TYPE, reason="undecodable") == 2

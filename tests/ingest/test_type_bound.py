"""A sender with unbounded types neither fills Redis with streams nor loses an event."""

import pytest
from structlog.testing import capture_logs

from hookbus.events import BY_TYPE
from hookbus.ingest import receive
from hookbus.ingest.type_bound import TypeBound
from hookbus.shared.keys import UNTYPED, Keys
from tests.ingest.serving import serving, signed
from tests.ingest.test_measures import sample


def test_types_beyond_the_bound_are_not_admitted_and_those_before_still_are():
    bound = TypeBound(max_types=3)
    with capture_logs() as logs:
        admitted = [bound.admits(f"order.{number}", "partner") for number in range(5)]
    assert admitted == [True, True, True, False, False]
    assert bound.admits("order.1", "partner")
    assert [(entry["event"], entry["type"]) for entry in logs] == [("too_many_types", "order.3")]


@pytest.mark.parametrize("name", BY_TYPE)
def test_documented_types_do_not_count_towards_the_bound(name):
    assert TypeBound(max_types=0).admits(name, "openai")


def test_no_source_takes_the_share_of_another():
    bound = TypeBound(max_types=8)
    bound.divide(["hostile", "victim"])
    assert sum(bound.admits(f"hostile.{number}", "hostile") for number in range(100)) == 6
    assert [bound.admits(f"victim.{number}", "victim") for number in range(3)] == [True, True, False]


def test_a_source_alone_has_the_whole_bound_and_a_removed_one_leaves_its_share():
    bound = TypeBound(max_types=8)
    bound.divide(["one", "other"])
    bound.divide(["one"])
    assert sum(bound.admits(f"one.{number}", "one") for number in range(100)) == 8


def test_however_many_sources_there_are_together_they_stay_within_the_bound():
    bound = TypeBound(max_types=20)
    sources = [f"source_{number}" for number in range(30)]
    bound.divide(sources)
    assert sum(bound.admits(f"{source}.{number}", source) for number in range(9) for source in sources) == 20


def test_the_log_names_each_source_that_is_beyond_the_bound():
    bound = TypeBound(max_types=0)
    with capture_logs() as logs:
        for source in ("one", "other", "one"):
            bound.admits("order.paid", source)
    assert [entry["source"] for entry in logs][:2] == ["one", "other"]


async def test_an_event_beyond_the_bound_is_stored_unchanged_as_untyped_and_counted(redis_url, client, monkeypatch):
    labels = {"source": "openai", "reason": "too_many_types"}
    before = sample("untyped_events_total", **labels) or 0
    monkeypatch.setattr(receive, "TypeBound", lambda: TypeBound(max_types=1))
    requests = [signed(f"order.{number}") for number in range(3)]
    async with serving(redis_url) as ingest:
        answers = [await ingest.execute(request) for request in requests]
        assert [status for status, _ in answers] == [200] * 3
        assert [entry["type"] for entry in ingest.logged("too_many_types")][:1] == ["order.1"]
    assert sample("untyped_events_total", **labels) - before == 2
    shard = Keys(0)
    assert await client.execute_command("XLEN", shard.stream("order.0")) == 1
    entries = await client.execute_command("XRANGE", shard.stream(UNTYPED), "-", "+")
    assert [dict(zip(fields[::2], fields[1::2], strict=True))[b"body"] for _, fields in entries] == [
        request.body for request in requests[1:]
    ]

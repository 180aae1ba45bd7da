"""Costs and machines computed from measured figures."""

import pytest

from tests.bench import cost
from tests.bench.cost import Cpu


def test_a_microsecond_per_event_is_a_second_per_million():
    assert Cpu(ingest_us=40, worker_us=30, redis_us=10).seconds_per_million == 80


def test_memory_is_that_of_retained_events_and_remembered_ids():
    # 1,000 events a second, retained for an hour at 300 bytes, and their ids for five days at 40.
    found = cost.redis_gib(1000, 3600, stored_bytes=300, dedupe_bytes=40)
    assert found == pytest.approx((1000 * 3600 * 300 + 1000 * 432_000 * 40) / 1024**3)
    assert found == pytest.approx(17.1, abs=0.1)


def test_a_process_is_planned_to_use_half_a_core():
    found = cost.fleet(10_000, Cpu(50, 40, 10), stored_bytes=0, dedupe_bytes=0, retention_s=0)
    assert (found.ingests, found.workers, found.shards) == (1, 1, 1)
    found = cost.fleet(100_000, Cpu(50, 40, 10), stored_bytes=0, dedupe_bytes=0, retention_s=0)
    assert (found.ingests, found.workers, found.shards) == (10, 8, 2)


def test_machines_are_counted_by_cores_or_by_memory_whichever_takes_more():
    by_cores = cost.Fleet(ingests=10, workers=8, shards=9, memory_gib=1)
    assert by_cores.machines == 3 + 2
    by_memory = cost.Fleet(ingests=10, workers=8, shards=1, memory_gib=100)
    assert by_memory.machines == 3 + 5

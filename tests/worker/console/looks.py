"""Looks for tests of what is drawn from one."""

from collections import Counter

from hookbus.shared.redis_report import RedisReport
from hookbus.worker.console.asides import Asides
from hookbus.worker.console.look import Look
from hookbus.worker.dlq.causes import Summary
from hookbus.worker.inspect.snapshot import Bus
from hookbus.worker.inspect.status import Status
from hookbus.worker.inventory.suspensions import Opened
from hookbus.worker.pipeline.dead_letter import Kind

OPENED = Opened("f", "ConnectionError: closed", 1, 2)


def a_look(groups=None, causes=(), patterns=None, died=(0, 0), retries=None, **status) -> Look:
    """A look that found these; `status`: further fields of it."""
    report = {"version": "9.1", "role": "master", "replicas": 0, "eviction_policy": "noeviction", "appendonly": "yes"}
    report |= {"appendfsync": "always", "can_save": True, "used_memory_bytes": 1, "maxmemory_bytes": 100}
    bus = Bus(
        RedisReport(**report | {"clock_skew_ms": 0}),
        Status(groups=groups or {}, shards=1, **status),
        {name: frozenset(each) for name, each in (patterns or {}).items()},
        {},
        {},
        10_000,
    )
    beside = Asides(tuple(causes), *died, Counter(retries or {}))
    return Look(1, bus, beside, 10_000, 0.0, 0.0, 0.0)


def a_cause(group="billing", event_type="response.failed", count=4) -> Summary:
    return Summary(group, "f", Kind(event_type, "rejected", "KeyError", "a.py:f", "'id'"), count, 1, 2)

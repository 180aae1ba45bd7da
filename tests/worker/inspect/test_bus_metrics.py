from typing import Any

import pytest
from msgspec.structs import replace

from hookbus.shared.metrics import OTHER
from hookbus.worker.inspect import bus_metrics
from hookbus.worker.inspect.group_status import GroupStatus, TypeStatus
from hookbus.worker.inspect.snapshot import Bus
from hookbus.worker.inspect.status import Status
from hookbus.worker.inventory.pauses import Paused
from hookbus.worker.inventory.suspensions import Held, Opened
from tests.shared.reports import REDIS

TYPES = {
    "response.completed": TypeStatus(7, 2, 30.5, 4.0),
    "mine.own": TypeStatus(1, 0, 2.0),
    "minted.1": TypeStatus(3, 1, 9.0, 1.0),
    "minted.2": TypeStatus(4, 1, 5.0, 2.0),
}
BILLING = GroupStatus(
    consumers_alive=1,
    consumers=3,
    delayed=5,
    snoozed=2,
    next_due_ms=1_700_000_000_500,
    dead=6,
    missing=2,
    abandoned_s=400.0,
    paused={"batch.*": Paused(1)},
    held={"mine.own": Held("Hold: for 5 s", 1, 2)},
    breakers={"response.*": Opened("f", "e", 1, 2)},
    types=TYPES,
    unread={"minted.1": 3},
    unsubscribed={"minted.1": 3, "minted.2": 4, "mine.own": 1},
)


def a_bus(**changes: Any) -> Bus:
    default = Bus(
        REDIS,
        Status({"billing": BILLING, "phone": GroupStatus()}, {"minted.3": 2, "minted.4": 3, "batch.failed": 1}, 1),
        {"billing": frozenset({"response.*", "mine.own"}), "phone": frozenset({"*"})},
        {"response.completed": 5_500, "minted.1": 7_000, "minted.2": 6_000},
        {},
        1_700_000_000_000,
    )
    return replace(default, **changes)


def samples(bus: Bus) -> dict[tuple[str, ...], float]:
    """Name and label values → value."""
    found = [sample for family in bus_metrics.families(bus) for sample in family.samples]
    return {(each.name.removeprefix("hookbus_"), *each.labels.values()): each.value for each in found}


def test_runs_of_verify_create_no_series():
    name = "hookbus.verify.1750000000-abcdefabcdef"
    run = GroupStatus(types={name: TypeStatus(1, 1)})
    more = a_bus(
        status=Status({name: run, "billing": BILLING}, {name: 1}),
        patterns={name: frozenset({name})},
        last_event_ms={name: 1_000},
    )
    found = samples(more)
    assert not [labels for labels in found if name in labels]
    assert found["orphan_events", OTHER] == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (("backlog_events", "billing", "response.completed"), 7),
        (("backlog_events", "billing", "mine.own"), 1),
        (("backlog_events", "billing", OTHER), 7),
        (("unread_events", "billing", OTHER), 3),
        (("unsubscribed_events", "billing", OTHER), 7),
        (("unsubscribed_events", "billing", "mine.own"), 1),
        (("in_flight_deliveries", "billing", OTHER), 2),
        (("oldest_unhandled_age_seconds", "billing", OTHER), 9),
        (("oldest_in_flight_age_seconds", "billing", OTHER), 2),
        (("oldest_in_flight_age_seconds", "billing", "mine.own"), 0),
        (("delayed_deliveries", "billing"), 5),
        (("snoozed_deliveries", "billing"), 2),
        (("next_due_timestamp_seconds", "billing"), 1_700_000_000.5),
        (("dead_letters", "billing"), 6),
        (("dead_letters", "phone"), 0),
        (("consumers", "billing"), 3),
        (("consumers_alive", "billing"), 1),
        (("group_missing_streams", "billing"), 2),
        (("group_abandoned_seconds", "billing"), 400),
        (("group_abandoned_seconds", "phone"), 0),
        (("breaker_open", "billing", "response.*"), 1),
        (("breaker_open", "billing", "mine.own"), 0),
        (("breaker_open", "phone", "*"), 0),
        (("held", "billing", "mine.own"), 1),
        (("held", "billing", "response.*"), 0),
        (("paused", "billing", "batch.*"), 1),
        (("last_event_timestamp_seconds", "response.completed"), 5.5),
        (("last_event_timestamp_seconds", OTHER), 7),
        (("orphan_events", OTHER), 5),
        (("orphan_events", "batch.failed"), 1),
        (("redis_info", "9.1.2", "master", "noeviction", "yes", "always"), 1),
        (("redis_can_save",), 0),
        (("redis_replicas",), 2),
        (("redis_memory_used_bytes",), 1_000),
        (("redis_memory_limit_bytes",), 2_000),
        (("redis_clock_skew_seconds",), -1.5),
    ],
    ids=str,
)
def test_a_metric_has_its_value_by_name_and_labels(name, value):
    assert samples(a_bus())[name] == value


def test_without_due_deliveries_there_is_no_due_time():
    assert ("next_due_timestamp_seconds", "phone") not in samples(a_bus())


def test_labels_of_unknown_types_and_groups_are_bounded():
    groups = {f"group{i}": GroupStatus(types={f"minted.{j}": TypeStatus(1) for j in range(50)}) for i in range(500)}
    found = samples(a_bus(status=Status(groups, {f"minted.{i}": 1 for i in range(500)}, 1), patterns={}))
    assert len([key for key in found if key[0] == "backlog_events"]) == bus_metrics.MAX_GROUPS
    assert not any("minted" in part for key in found for part in key)

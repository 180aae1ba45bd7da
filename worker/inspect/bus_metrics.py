"""The metrics of the whole bus. Pure: a snapshot goes in, metric families come out.

One process exports them, so that sums over processes are correct. Groups and patterns are those that workers wrote to
Redis, at most `MAX_GROUPS`; types that are neither documented nor subscribed to by name share the label `other`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from ...shared.keys import RESERVED
from ...shared.metrics import DOCUMENTED, OTHER
from ...shared.redis_report import RedisReport
from .group_status import GroupStatus, TypeStatus
from .snapshot import Bus

MAX_GROUPS: Final = 100
"""Anyone who may start a worker can create group names, so their number is bounded."""

Row = tuple[tuple[str, ...], float]
"""Label values and figure."""


def families(bus: Bus) -> Iterator[Metric]:
    """All metric families of a snapshot."""
    # Each run of `verify` is a group and a type; without this filter each would leave series that never end.
    subscribed = {name: patterns for name, patterns in bus.patterns.items() if not name.startswith(RESERVED)}
    lasting = [(name, group) for name, group in bus.status.groups.items() if not name.startswith(RESERVED)]
    labelled = DOCUMENTED.union(*subscribed.values())
    groups = dict(lasting[:MAX_GROUPS])
    yield from _of_types(groups, labelled)
    yield from _of_groups(groups)
    yield from _of_subscriptions(groups, bus.patterns)
    yield from _of_events(bus, labelled)
    about = "Keys that Redis refuses, such as one of another type; `hookbus-worker check` lists them."
    yield gauge("unusable_keys", about, (), [((), len(bus.status.unusable))])
    yield from _of_redis(bus.redis)


def gauge(name: str, about: str, labels: tuple[str, ...] = (), rows: Iterable[Row] = ()) -> Metric:
    """A gauge `hookbus_{name}` with these rows; empty without rows."""
    family = GaugeMetricFamily(f"hookbus_{name}", about, labels=labels)
    for values, figure in rows:
        family.add_metric(values, figure)
    return family


def _of_types(groups: Mapping[str, GroupStatus], labelled: frozenset[str]) -> Iterator[Metric]:
    rows = _merged(groups, labelled)
    labels = ("group", "type")
    about = "Events never delivered to a consumer of the group; a lower bound where Redis reports no lag."
    yield gauge("backlog_events", about, labels, ((key, t.backlog) for key, t in rows.items()))
    about = "Age of the oldest unhandled event, 0 for none; a retry counts from when it was due."
    yield gauge("oldest_unhandled_age_seconds", about, labels, ((k, t.oldest_age_s or 0) for k, t in rows.items()))
    about = "Deliveries in flight: delivered to a consumer, outcome not yet in Redis."
    yield gauge("in_flight_deliveries", about, labels, ((key, t.in_flight) for key, t in rows.items()))
    about = "Time since the oldest delivery in flight was delivered to its consumer, 0 for none."
    ages = ((key, t.oldest_in_flight_s or 0) for key, t in rows.items())
    yield gauge("oldest_in_flight_age_seconds", about, labels, ages)
    about = "Waiting events of a type that no live consumer of the group reads."
    yield gauge("unread_events", about, labels, _summed({n: g.unread for n, g in groups.items()}, labelled))
    about = "Waiting events and redeliveries of a type that the group does not subscribe to."
    yield gauge("unsubscribed_events", about, labels, _summed({n: g.unsubscribed for n, g in groups.items()}, labelled))


def _summed(by_group: Mapping[str, Mapping[str, int]], labelled: frozenset[str]) -> Iterator[Row]:
    """Group → type → count, those of types that have no label as one."""
    counts: Counter[tuple[str, str]] = Counter()
    for name, by_type in by_group.items():
        for event_type, count in by_type.items():
            counts[name, event_type if event_type in labelled else OTHER] += count
    yield from counts.items()


def _merged(groups: Mapping[str, GroupStatus], labelled: frozenset[str]) -> dict[tuple[str, str], TypeStatus]:
    """The types of all groups; those not in `labelled` are merged into `other`."""
    rows: dict[tuple[str, str], TypeStatus] = {}
    for name, group in groups.items():
        for event_type, status in group.types.items():
            row = rows.setdefault((name, event_type if event_type in labelled else OTHER), TypeStatus())
            row.backlog += status.backlog
            row.in_flight += status.in_flight
            row.oldest_age_s = max(row.oldest_age_s or 0, status.oldest_age_s or 0)
            row.oldest_in_flight_s = max(row.oldest_in_flight_s or 0, status.oldest_in_flight_s or 0)
    return rows


def _of_groups(groups: Mapping[str, GroupStatus]) -> Iterator[Metric]:
    about = "Failed deliveries that wait for their next attempt."
    yield gauge("delayed_deliveries", about, ("group",), (((n,), g.delayed) for n, g in groups.items()))
    about = "Those of them that wait because their handler asked for it."
    yield gauge("snoozed_deliveries", about, ("group",), (((n,), g.snoozed) for n, g in groups.items()))
    about = "When the next parked delivery is due; absent when there is none."
    due = (((name,), group.next_due_ms / 1000) for name, group in groups.items() if group.next_due_ms is not None)
    yield gauge("next_due_timestamp_seconds", about, ("group",), due)
    about = "Dead letters in the dead-letter queue."
    yield gauge("dead_letters", about, ("group",), (((n,), g.dead) for n, g in groups.items()))
    about = "Consumers registered in the group."
    yield gauge("consumers", about, ("group",), (((n,), g.consumers) for n, g in groups.items()))
    about = "Registered consumers that are alive."
    yield gauge("consumers_alive", about, ("group",), (((n,), g.consumers_alive) for n, g in groups.items()))
    about = "Streams with events for the group that lack its consumer group; a live worker creates it within seconds."
    yield gauge("group_missing_streams", about, ("group",), (((n,), g.missing) for n, g in groups.items()))
    about = "1 while live consumers of the group subscribe to different patterns."
    yield gauge("consumers_disagree", about, ("group",), (((n,), bool(g.disputed)) for n, g in groups.items()))
    about = "Sources that live consumers of the group take events of, and no ingest has."
    yield gauge("unknown_sources", about, ("group",), (((n,), len(g.unknown_sources)) for n, g in groups.items()))
    about = "1 for a consumer group that hookbus did not create; it holds up trimming."
    yield gauge("group_foreign", about, ("group",), (((n,), g.is_foreign is True) for n, g in groups.items()))
    about = "Time since a group with unhandled events last had a worker; 0 below five minutes."
    abandoned = (((name,), group.abandoned_s or 0) for name, group in groups.items())
    yield gauge("group_abandoned_seconds", about, ("group",), abandoned)


def _of_subscriptions(groups: Mapping[str, GroupStatus], patterns: Mapping[str, frozenset[str]]) -> Iterator[Metric]:
    labels = ("group", "pattern")
    subscriptions = [
        (name, pattern) for name, group in groups.items() for pattern in _patterns(group, patterns.get(name))
    ]
    about = "1 while the subscription's circuit breaker is open."
    rows = (((name, pattern), pattern in groups[name].breakers) for name, pattern in subscriptions)
    yield gauge("breaker_open", about, labels, rows)
    about = "1 while the handler holds its subscription, by Hold."
    rows = (((name, pattern), pattern in groups[name].held) for name, pattern in subscriptions)
    yield gauge("held", about, labels, rows)
    about = "1 for each pattern that an operator or a handler paused."
    paused = (((name, pattern), 1) for name, group in groups.items() for pattern in group.paused)
    yield gauge("paused", about, labels, paused)


def _patterns(group: GroupStatus, subscribed: frozenset[str] | None) -> list[str]:
    return sorted({*(subscribed or ()), *group.breakers, *group.held})


def _of_events(bus: Bus, labelled: frozenset[str]) -> Iterator[Metric]:
    last: dict[str, float] = {}
    for event_type, last_ms in bus.last_event_ms.items():
        label = event_type if event_type in labelled else OTHER
        last[label] = max(last_ms / 1000, last.get(label, 0))
    about = "When the last event of the type was stored."
    yield gauge("last_event_timestamp_seconds", about, ("type",), (((n,), at) for n, at in last.items()))
    orphans: dict[str, int] = {}
    for event_type, count in bus.status.orphans.items():
        label = event_type if event_type in labelled else OTHER
        orphans[label] = count + orphans.get(label, 0)
    about = "Stored events to which no group subscribes."
    yield gauge("orphan_events", about, ("type",), (((n,), count) for n, count in orphans.items()))


def _of_redis(redis: RedisReport) -> Iterator[Metric]:
    labels = ("version", "role", "eviction_policy", "appendonly", "appendfsync")
    values = tuple(getattr(redis, label) for label in labels)
    yield gauge("redis_info", "Version and configuration of Redis as labels; always 1.", labels, [(values, 1)])
    for name, about, figure in (
        ("can_save", "1 when its last write to the append-only file and its last snapshot succeeded.", redis.can_save),
        ("replicas", "Connected replicas.", redis.replicas),
        ("memory_used_bytes", "Memory in use.", redis.used_memory_bytes),
        ("memory_limit_bytes", "maxmemory; 0 for no limit.", redis.maxmemory_bytes),
        ("clock_skew_seconds", "How far its clock is ahead of the exporter's.", redis.clock_skew_ms / 1000),
    ):
        yield gauge(f"redis_{name}", about, (), [((), figure)])

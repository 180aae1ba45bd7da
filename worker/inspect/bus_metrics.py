"""The figures about the whole bus, in Prometheus' form. Pure: a look goes in, metric families come out.

One process exports them, so that sums over processes mean something. Groups and patterns are those that workers told
Redis of, at most `MAX_GROUPS`; types that nobody documented or subscribed to by name share the label `other`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from ...shared.keys import RESERVED
from ...shared.metrics import DOCUMENTED, OTHER
from ...shared.redis_report import RedisReport
from .snapshot import Bus
from .status import GroupStatus, TypeStatus

MAX_GROUPS: Final = 100
"""Names of groups come from whoever may start a worker, so there is an end."""

Row = tuple[tuple[str, ...], float]
"""Label values and figure."""


def families(bus: Bus) -> Iterator[Metric]:
    """All families of a look."""
    # Each run of `verify` is a group and a type: lasting series of what lasts a minute.
    told = {name: patterns for name, patterns in bus.patterns.items() if not name.startswith(RESERVED)}
    lasting = [(name, group) for name, group in bus.status.groups.items() if not name.startswith(RESERVED)]
    known = DOCUMENTED.union(*told.values())
    groups = dict(lasting[:MAX_GROUPS])
    yield from _of_types(groups, known)
    yield from _of_groups(groups)
    yield from _of_subscriptions(groups, bus.patterns)
    yield from _of_events(bus, known)
    about = "Keys that hold something else than they should; check names them."
    yield gauge("unusable_keys", about, (), [((), len(bus.status.unusable))])
    yield from _of_redis(bus.redis)


def gauge(name: str, about: str, labels: tuple[str, ...] = (), rows: Iterable[Row] = ()) -> Metric:
    """A family of this prefix; without labels and rows it is empty."""
    family = GaugeMetricFamily(f"hookbus_{name}", about, labels=labels)
    for values, figure in rows:
        family.add_metric(values, figure)
    return family


def _of_types(groups: Mapping[str, GroupStatus], known: frozenset[str]) -> Iterator[Metric]:
    rows = _merged(groups, known)
    labels = ("group", "type")
    about = "Events that were never handed to a consumer of the group; where Redis has lost count, at least so many."
    yield gauge("backlog_events", about, labels, ((key, t.backlog) for key, t in rows.items()))
    about = "Age of the oldest event that is not handled, 0 for none; of a retry, since it was due."
    yield gauge("oldest_unhandled_age_seconds", about, labels, ((k, t.oldest_age_s or 0) for k, t in rows.items()))
    about = "Deliveries in the hands of consumers."
    yield gauge("in_flight_deliveries", about, labels, ((key, t.in_flight) for key, t in rows.items()))
    about = "Since the oldest delivery in flight was handed to its consumer, 0 for none."
    ages = ((key, t.oldest_in_flight_s or 0) for key, t in rows.items())
    yield gauge("oldest_in_flight_age_seconds", about, labels, ages)
    about = "What waits of a type that no living consumer of the group reads."
    yield gauge("unread_events", about, labels, _unread(groups, known))


def _unread(groups: Mapping[str, GroupStatus], known: frozenset[str]) -> Iterator[Row]:
    counts: Counter[tuple[str, str]] = Counter()
    for name, group in groups.items():
        for event_type, count in group.unread.items():
            counts[name, event_type if event_type in known else OTHER] += count
    yield from counts.items()


def _merged(groups: Mapping[str, GroupStatus], known: frozenset[str]) -> dict[tuple[str, str], TypeStatus]:
    """The types of all groups, with those that nobody knows made one."""
    rows: dict[tuple[str, str], TypeStatus] = {}
    for name, group in groups.items():
        for event_type, found in group.types.items():
            row = rows.setdefault((name, event_type if event_type in known else OTHER), TypeStatus())
            row.backlog += found.backlog
            row.in_flight += found.in_flight
            row.oldest_age_s = max(row.oldest_age_s or 0, found.oldest_age_s or 0)
            row.oldest_in_flight_s = max(row.oldest_in_flight_s or 0, found.oldest_in_flight_s or 0)
    return rows


def _of_groups(groups: Mapping[str, GroupStatus]) -> Iterator[Metric]:
    about = "Failed deliveries that wait for their next attempt."
    yield gauge("delayed_deliveries", about, ("group",), (((n,), g.delayed) for n, g in groups.items()))
    about = "When the next of them is due; absent when there is none."
    due = (((name,), group.next_due_ms / 1000) for name, group in groups.items() if group.next_due_ms is not None)
    yield gauge("next_due_timestamp_seconds", about, ("group",), due)
    about = "Dead letters that nobody has redriven or discarded."
    yield gauge("dead_letters", about, ("group",), (((n,), g.dead) for n, g in groups.items()))
    about = "Worker processes that are registered in the group."
    yield gauge("consumers", about, ("group",), (((n,), g.consumers) for n, g in groups.items()))
    about = "Those of them that give signs of life."
    yield gauge("consumers_alive", about, ("group",), (((n,), g.consumers_alive) for n, g in groups.items()))
    about = "Streams with events for the group on which it has no place; a worker that lives makes one within seconds."
    yield gauge("group_missing_streams", about, ("group",), (((n,), g.missing) for n, g in groups.items()))
    about = "1 while living consumers differ in what they subscribe to."
    yield gauge("consumers_disagree", about, ("group",), (((n,), bool(g.disputed)) for n, g in groups.items()))
    about = "1 for a consumer group that hookbus did not make, and that holds up trimming."
    yield gauge("group_foreign", about, ("group",), (((n,), g.is_foreign is True) for n, g in groups.items()))
    about = "How long nobody has worked for a group for which something waits; 0 below five minutes."
    silent = (((name,), group.abandoned_s or 0) for name, group in groups.items())
    yield gauge("group_abandoned_seconds", about, ("group",), silent)


def _of_subscriptions(groups: Mapping[str, GroupStatus], patterns: Mapping[str, frozenset[str]]) -> Iterator[Metric]:
    labels = ("group", "pattern")
    known = [(name, pattern) for name, group in groups.items() for pattern in _patterns(group, patterns.get(name))]
    about = "1 while the subscription's circuit breaker is open."
    rows = (((name, pattern), pattern in groups[name].breakers) for name, pattern in known)
    yield gauge("breaker_open", about, labels, rows)
    about = "1 for each pattern of types that an operator paused."
    paused = (((name, pattern), 1) for name, group in groups.items() for pattern in group.paused)
    yield gauge("paused", about, labels, paused)


def _patterns(group: GroupStatus, told: frozenset[str] | None) -> list[str]:
    return sorted({*(told or ()), *group.breakers})


def _of_events(bus: Bus, known: frozenset[str]) -> Iterator[Metric]:
    last: dict[str, float] = {}
    for event_type, last_ms in bus.last_event_ms.items():
        label = event_type if event_type in known else OTHER
        last[label] = max(last_ms / 1000, last.get(label, 0))
    about = "When the last event was stored."
    yield gauge("last_event_timestamp_seconds", about, ("type",), (((n,), at) for n, at in last.items()))
    orphans: dict[str, int] = {}
    for event_type, count in bus.status.orphans.items():
        label = event_type if event_type in known else OTHER
        orphans[label] = count + orphans.get(label, 0)
    about = "Stored events to which no group subscribes."
    yield gauge("orphan_events", about, ("type",), (((n,), count) for n, count in orphans.items()))


def _of_redis(redis: RedisReport) -> Iterator[Metric]:
    labels = ("version", "role", "eviction_policy", "appendonly", "appendfsync")
    values = tuple(getattr(redis, label) for label in labels)
    yield gauge("redis_info", "What Redis says of itself; always 1.", labels, [(values, 1)])
    for name, about, figure in (
        ("can_save", "1 when its last write to the append-only file and its last snapshot went well.", redis.can_save),
        ("replicas", "Connected replicas.", redis.replicas),
        ("memory_used_bytes", "Memory in use.", redis.used_memory_bytes),
        ("memory_limit_bytes", "maxmemory; 0 for no limit.", redis.maxmemory_bytes),
        ("clock_skew_seconds", "How far its clock is ahead of the exporter's.", redis.clock_skew_ms / 1000),
    ):
        yield gauge(f"redis_{name}", about, (), [((), figure)])

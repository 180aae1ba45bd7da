"""Metrics of one hookbus-worker process. The exporter (`bus_metrics`) has those of the whole bus.

Label values come from subscriptions and from the documented types, never from events.
"""

from typing import Final

from prometheus_client import Counter, Gauge

from ...shared.fast_metrics import CounterFamily, HistogramFamily

DELIVERIES: Final = CounterFamily(
    "hookbus_worker_deliveries_total",
    "Attempts by outcome: handled, parked (failed, another follows), snoozed (parked by RetryLater), dead_letter; and "
    "skipped (acked without one, for their source).",
    ["group", "type", "outcome"],
)
DEAD_LETTERS: Final = CounterFamily(
    "hookbus_worker_dead_letters_total", "Deliveries that became dead letters.", ["group", "type", "reason"]
)
HANDLER_BUCKETS_S: Final = (0.001, 0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
HANDLER_SECONDS: Final = HistogramFamily(
    "hookbus_worker_handler_seconds",
    "Duration of attempts.",
    ["group", "type"],
    buckets=HANDLER_BUCKETS_S,
)
ATTEMPTS: Final = HistogramFamily(
    "hookbus_worker_attempts",
    "How many attempts deliveries took until they were handled or dead-lettered.",
    ["group", "type"],
    buckets=(1, 2, 3, 5, 10, 20),
)
TAKEOVERS: Final = CounterFamily(
    "hookbus_worker_takeovers_total",
    "Deliveries taken over from consumers that died, stopped or had no place for them.",
    ["group", "type"],
)
RUNNING: Final = Gauge("hookbus_worker_running_deliveries", "Attempts that run now.", ["group", "pattern"])
OVERDUE: Final = Gauge(
    "hookbus_worker_overdue_attempts",
    "Handlers that run on after their timeout, in threads or as coroutines; each keeps a slot.",
    ["group", "pattern"],
)
OVERDUE_TOTAL: Final = Counter(
    "hookbus_worker_overdue_handlers_total",
    "Handlers that ran on after their timeout: threads, and coroutines that swallowed their cancellation.",
    ["group", "pattern"],
)
READ_AGE: Final = Gauge(
    "hookbus_worker_last_read_age_seconds",
    "Age of the oldest pending read. Reads return within two seconds, and none is pending while no slot is free.",
)
UNSETTLED: Final = Gauge("hookbus_worker_unsettled_deliveries", "Outcomes not yet written to Redis.")
UNUSABLE_KEYS: Final = Gauge(
    "hookbus_worker_unusable_keys", "Keys that Redis refuses by themselves, such as one of another type."
)
LOSSES: Final = Counter(
    "hookbus_worker_data_loss_total",
    "Streams or groups that were missing, or behind the last handled event.",
    ["group"],
)
TRIMMED: Final = Counter(
    "hookbus_worker_trimmed_events_total", "Events trimmed: handled by all groups, or orphaned (no group).", ["kind"]
)
DROPPED: Final = Counter(
    "hookbus_worker_dead_letters_dropped_total", "Dead letters dropped at the end of their retention.", ["group"]
)

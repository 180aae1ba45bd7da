"""What hookbus-worker counts. Labels come from subscriptions and from the documented types, never from events."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

DELIVERIES: Final = Counter(
    "hookbus_worker_deliveries_total", "Settled deliveries by outcome.", ["group", "pattern", "outcome"]
)
HANDLER_SECONDS: Final = Histogram(
    "hookbus_worker_handler_seconds",
    "Duration of attempts.",
    ["group", "pattern"],
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
RUNNING: Final = Gauge("hookbus_worker_running_deliveries", "Attempts that run now.", ["group", "pattern"])
TAKEOVERS: Final = Counter("hookbus_worker_takeovers_total", "Deliveries taken over from the dead.", ["group"])
LOSSES: Final = Counter("hookbus_worker_data_loss_total", "Streams or groups found gone and made anew.", ["group"])
TRIMMED: Final = Counter(
    "hookbus_worker_trimmed_events_total", "Events trimmed: handled by all groups, or orphaned (no group).", ["kind"]
)
ABANDONED: Final = Gauge(
    "hookbus_worker_abandoned_group_events",
    "Unhandled events of groups that nobody works for (names from Redis, at most 100).",
    ["group"],
)
DROPPED: Final = Counter(
    "hookbus_worker_dead_letters_dropped_total", "Dead letters that their retention dropped.", ["group"]
)
UNSETTLED: Final = Gauge("hookbus_worker_unsettled_deliveries", "Outcomes not yet written to Redis.")
PAUSED: Final = Gauge("hookbus_worker_paused_patterns", "Patterns of types that an operator paused.", ["group"])
BREAKER_OPEN: Final = Gauge("hookbus_worker_breaker_open", "1 while a breaker is open.", ["group", "pattern"])

"""The rows of the dashboard: panels with their queries.

`$group` and `$__rate_interval` are Grafana's; metrics with a colon are recorded by `deploy/prometheus/recording.yml`.
"""

from typing import Final

from deploy.grafana.console_panels import CONSOLE
from deploy.grafana.panel import Panel, Row, quantile, rate, stat, within_an_hour

GROUP: Final = 'group=~"$group"'

OVERVIEW: Final = Row(
    "Overview",
    (
        stat(
            "Events stored",
            "eps",
            "sum(rate(hookbus_ingest_stored_events_total[5m]))",
            "New ones, over five minutes.",
        ),
        stat("Failed acks", "percentunit", "hookbus:ingest_ack_errors:ratio_rate5m", "Share of 5xx.", 0.001, 0.01),
        stat("Ack, p99", "s", "hookbus:ingest_ack_seconds:p99_rate5m", "Until the 200.", 0.25, 1),
        stat(
            "Since the last event", "s", "time() - max(hookbus_last_event_timestamp_seconds)", "Any type.", 1800, 3600
        ),
        stat("Oldest unhandled", "s", "max(hookbus_oldest_unhandled_age_seconds)", "Of all groups and types.", 60, 300),
        stat("Dead letters", "short", "sum(hookbus_dead_letters)", "Of all groups.", 1),
        stat("Redis memory", "percentunit", "hookbus:redis_memory:ratio", "Of maxmemory, if there is one.", 0.8, 0.9),
        stat("Breakers open", "short", "sum(hookbus_breaker_open)", "Subscriptions that only fail.", 1, 1),
        Panel(
            "Through the bus",
            "eps",
            {
                "stored": "sum(rate(hookbus_ingest_stored_events_total[$__rate_interval]))",
                "{{outcome}} by {{group}}": rate("hookbus_worker_deliveries_total", "group, outcome", GROUP),
            },
            "Each group handles every event that it subscribes to.",
        ),
        Panel(
            "Waiting, by group",
            "short",
            {
                "backlog of {{group}}": f"sum by (group) (hookbus_backlog_events{{{GROUP}}})",
                "delayed in {{group}}": f"sum by (group) (hookbus_delayed_deliveries{{{GROUP}}})",
            },
            "Events never delivered, and failed deliveries that wait for their next attempt.",
        ),
        Panel(
            "Workers alive",
            "short",
            {"{{group}}": f"max by (group) (hookbus_consumers_alive{{{GROUP}}})"},
            "Live worker processes of each group.",
        ),
    ),
)

INGEST: Final = Row(
    "Ingest",
    (
        Panel(
            "Answers",
            "reqps",
            {"{{status}} {{code}}": rate("hookbus_ingest_requests_total", "status, code") + " > 0"},
            is_stacked=True,
        ),
        Panel(
            "Until the 200",
            "s",
            {f"p{percent}": quantile(percent / 100, "hookbus_ingest_ack_seconds") for percent in (50, 95, 99)},
            "OpenAI wants it within a few seconds.",
            fails_at=1,
        ),
        Panel(
            "Group commit in Redis",
            "s",
            {f"p{percent}": quantile(percent / 100, "hookbus_ingest_enqueue_seconds") for percent in (50, 99)},
            "One script for many events, with its fsync.",
        ),
        Panel(
            "Events stored, by type",
            "eps",
            {"{{type}}": rate("hookbus_ingest_stored_events_total", "type")},
            is_stacked=True,
        ),
        Panel("Bodies stored", "Bps", {"{{type}}": rate("hookbus_ingest_stored_bytes_total", "type")}, is_stacked=True),
        Panel(
            "Events of a group commit",
            "short",
            {
                "average": "sum(rate(hookbus_ingest_batch_events_sum[$__rate_interval]))"
                " / sum(rate(hookbus_ingest_batch_events_count[$__rate_interval]))"
            },
            "Grows with the load, which keeps ingest fast.",
        ),
        Panel(
            "Refused, by source",
            "reqps",
            {"source {{source}}": "source:hookbus_ingest_rejections:rate5m"},
            "4xx answers. Source none: a stranger.",
        ),
        Panel(
            "Waiting for Redis",
            "short",
            {"{{instance}}": "hookbus_ingest_waiting_events"},
            "Beyond ingest.max_waiting ingest answers 503 overloaded.",
        ),
        Panel(
            "Bodies in memory",
            "bytes",
            {"{{state}}": "sum by (state) (hookbus_ingest_inflight_bytes)"},
            is_stacked=True,
        ),
        Panel("Connections", "short", {"{{instance}}": "hookbus_ingest_connections"}),
        Panel(
            "Signed with secret",
            "reqps",
            {"{{source}}, secret {{secret}}": rate("hookbus_ingest_secret_matches_total", "source, secret")},
            "By the place of the secret, from 0. Remove an old one without requests for 72 hours.",
        ),
        Panel(
            "Redis healthy",
            "short",
            {"{{instance}}": "hookbus_ingest_redis_healthy"},
            "0: this process answers 503; its log has the reason (redis_unhealthy).",
        ),
    ),
)

WORKERS: Final = Row(
    "Workers",
    (
        Panel(
            "Oldest unhandled",
            "s",
            {"{{group}} {{type}}": f"max by (group, type) (hookbus_oldest_unhandled_age_seconds{{{GROUP}}}) > 0"},
            "A retry counts from when it was due. Only with waiting events.",
            fails_at=300,
        ),
        Panel(
            "Backlog, by type",
            "short",
            {"{{group}} {{type}}": f"max by (group, type) (hookbus_backlog_events{{{GROUP}}}) > 0"},
            "Only with waiting events.",
        ),
        Panel(
            "In flight",
            "short",
            {"{{group}} {{type}}": f"max by (group, type) (hookbus_in_flight_deliveries{{{GROUP}}}) > 0"},
            "Delivered to consumers, outcome not yet in Redis.",
        ),
        Panel(
            "Handlers, p99",
            "s",
            {"{{group}} {{type}}": quantile(0.99, "hookbus_worker_handler_seconds", "group, type", GROUP) + " > 0"},
            "Duration of attempts.",
        ),
        Panel(
            "Running deliveries",
            "short",
            {"{{group}} {{pattern}}": f"sum by (group, pattern) (hookbus_worker_running_deliveries{{{GROUP}}})"},
            "At a subscription's concurrency times its workers, raise either.",
        ),
        Panel(
            "Failed attempts",
            "eps",
            {
                "{{group}} {{type}}": rate(
                    "hookbus_worker_deliveries_total", "group, type", f'{GROUP},outcome="parked"'
                )
                + " > 0"
            },
            "Each delivery is parked until its next attempt. Only with failures.",
        ),
        Panel(
            "Attempts until settled",
            "short",
            {
                "{{group}}": rate("hookbus_worker_attempts_sum", "group", GROUP)
                + " / "
                + rate("hookbus_worker_attempts_count", "group", GROUP)
            },
            "1 is healthy.",
        ),
        Panel(
            "Next retry in",
            "s",
            {"{{group}}": f"min by (group) (hookbus_next_due_timestamp_seconds{{{GROUP}}}) - time()"},
            "Below 0 the retry is due, and waits for a worker to promote it.",
            is_signed=True,
        ),
        Panel(
            "Taken over",
            "eps",
            {"{{group}}": rate("hookbus_worker_takeovers_total", "group", GROUP)},
            "Deliveries of workers that died or stopped.",
        ),
        Panel(
            "Longest read",
            "s",
            {"{{instance}}": "hookbus_worker_last_read_age_seconds"},
            "At most two seconds in a healthy worker.",
            fails_at=30,
        ),
        Panel(
            "Breakers and pauses",
            "short",
            {
                "breaker of {{group}} {{pattern}}": f"max by (group, pattern) (hookbus_breaker_open{{{GROUP}}})",
                "held {{group}} {{pattern}}": f"max by (group, pattern) (hookbus_held{{{GROUP}}})",
                "paused {{group}} {{pattern}}": f"max by (group, pattern) (hookbus_paused{{{GROUP}}})",
            },
            "1 while nothing is delivered.",
        ),
        Panel(
            "Event loop lag, p99",
            "s",
            {"{{job}}": quantile(0.99, "hookbus_loop_lag_seconds", "job")},
            "High: a blocking handler, or a full CPU.",
        ),
    ),
)

DEAD_LETTERS: Final = Row(
    "Dead letters",
    (
        Panel(
            "Present now", "short", {"{{group}}": f"max by (group) (hookbus_dead_letters{{{GROUP}}})"}, is_stacked=True
        ),
        Panel(
            "Dead-lettered within an hour, by reason",
            "short",
            {"{{group}} {{reason}}": within_an_hour("hookbus_worker_dead_letters_total", "group, reason", GROUP)},
            "hookbus-worker dlq groups lists the causes.",
        ),
        Panel(
            "Dead-lettered within an hour, by type",
            "short",
            {"{{group}} {{type}}": within_an_hour("hookbus_worker_dead_letters_total", "group, type", GROUP)},
        ),
        Panel(
            "Dropped by retention within an hour",
            "short",
            {"all": "sum(increase(hookbus_worker_dead_letters_dropped_total[1h])) or vector(0)"},
            "Removed for good by worker.dead_retention_s and dead_retention_events.",
        ),
    ),
)

REDIS: Final = Row(
    "Redis",
    (
        Panel(
            "Memory",
            "bytes",
            {"used": "max(hookbus_redis_memory_used_bytes)", "maxmemory": "max(hookbus_redis_memory_limit_bytes) > 0"},
            "From nine tenths on handled events go early; full means 503 overloaded.",
        ),
        Panel(
            "Trimmed",
            "eps",
            {"{{kind}}": rate("hookbus_worker_trimmed_events_total", "kind")},
            "Events handled by all groups, or without a subscription.",
        ),
        Panel(
            "Orphans",
            "short",
            {"events": "sum(hookbus_orphan_events) or vector(0)"},
            "Stored events that no group subscribes to.",
        ),
        Panel(
            "Health",
            "short",
            {
                "reachable": "max(hookbus_redis_up)",
                "can write its file": "max(hookbus_redis_can_save)",
                "replicas": "max(hookbus_redis_replicas)",
            },
        ),
        Panel(
            "Data lost within an hour",
            "short",
            {
                "ingest {{instance}}": "increase(hookbus_ingest_data_loss_total[1h])",
                "{{group}}": within_an_hour("hookbus_worker_data_loss_total", "group", GROUP),
            },
            "Times that stored data was missing.",
        ),
        Panel(
            "Clock skew",
            "s",
            {"": "max(hookbus_redis_clock_skew_seconds)"},
            "How far Redis' clock is ahead. With NTP: milliseconds.",
            is_signed=True,
        ),
    ),
)

ROWS: Final = (OVERVIEW, INGEST, WORKERS, DEAD_LETTERS, REDIS, CONSOLE)

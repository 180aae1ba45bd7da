"""The metrics of hookbus-ingest. Labels come from configuration and from code, never from requests."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from ..shared.fast_metrics import CounterFamily, HistogramFamily

REQUESTS: Final = CounterFamily(
    "hookbus_ingest_requests_total",
    "Requests by source, status and code; accepted and duplicate are the 200s.",
    ["source", "status", "code"],
)
ACK_SECONDS: Final = HistogramFamily(
    "hookbus_ingest_ack_seconds",
    "From the start of a request's processing to its 200.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
).labels()
ENQUEUE_SECONDS: Final = Histogram(
    "hookbus_ingest_enqueue_seconds",
    "How long Redis took for a group commit.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
BATCH_EVENTS: Final = Histogram(
    "hookbus_ingest_batch_events", "Events per group commit.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
)
STORED_EVENTS: Final = CounterFamily(
    "hookbus_ingest_stored_events_total", "Events stored, without duplicates.", ["type"]
)
STORED_BYTES: Final = CounterFamily(
    "hookbus_ingest_stored_bytes_total", "Bytes of the bodies of stored events.", ["type"]
)
SENDER_DELAY_SECONDS: Final = HistogramFamily(
    "hookbus_ingest_sender_delay_seconds",
    "From an event's created_at to its receipt; only new events with a created_at.",
    ["source"],
    buckets=(1, 2, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400, 259_200),
)
STREAM_ERRORS: Final = Counter(
    "hookbus_ingest_stream_errors_total",
    "Events that the stream of their type refused: answered 503, while others were stored.",
    ["type"],
)
UNTYPED_EVENTS: Final = Counter(
    "hookbus_ingest_untyped_events_total",
    "Events filed as untyped: no_type, their body names no usable type where the source has it; too_many_types, the "
    "process had reached its limit of undocumented types.",
    ["source", "reason"],
)
LAST_EVENT: Final = Gauge(
    "hookbus_ingest_last_event_timestamp_seconds",
    "When this process last received a verified event, new or not; absent before the first.",
    ["source"],
)
WAITING: Final = Gauge("hookbus_ingest_waiting_events", "Events that wait for Redis.")
INFLIGHT: Final = Gauge(
    "hookbus_ingest_inflight_bytes",
    "Bytes of bodies in memory: state arriving or waiting (for Redis), each bounded by half of max_inflight_bytes.",
    ["state"],
)
CONNECTIONS: Final = Gauge("hookbus_ingest_connections", "Open connections.")
HEALTHY: Final = Gauge("hookbus_ingest_redis_healthy", "1 while Redis can keep what a 200 promises.")
CLOCK_SKEW: Final = Gauge(
    "hookbus_ingest_redis_clock_skew_seconds", "How far Redis' clock is ahead of this machine's at the last check."
)
LOSSES: Final = Counter("hookbus_ingest_data_loss_total", "Times that stored data was missing.")
SECRET_MATCHES: Final = CounterFamily(
    "hookbus_ingest_secret_matches_total",
    "Verified requests by the secret that signed them: its place among those of its source, from 0.",
    ["source", "secret"],
)
SECRETS: Final = Gauge("hookbus_ingest_secrets", "Secrets in force.", ["source"])
SECRETS_STALE: Final = Gauge(
    "hookbus_ingest_secrets_stale",
    "1 while the secrets that were read last are invalid, and older ones in force.",
    ["source"],
)
RELOADS: Final = Counter("hookbus_ingest_reloads_total", "Configuration reloads on SIGHUP: ok or refused.", ["outcome"])

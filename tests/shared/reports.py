"""A RedisReport for tests."""

from hookbus.shared.redis_report import RedisReport

REDIS = RedisReport(
    version="9.1.2",
    role="master",
    replicas=2,
    eviction_policy="noeviction",
    appendonly="yes",
    appendfsync="always",
    can_save=False,
    used_memory_bytes=1_000,
    maxmemory_bytes=2_000,
    clock_skew_ms=-1_500,
)

"""`hookbus-worker exporter`: one process that exports metrics of the whole bus to Prometheus.

Queries Redis on each scrape, at most once a second however many scrape, so the figures are as old as the scrape. While
Redis is unreachable it exports only `hookbus_redis_up 0` and its own figures: an old backlog would be wrong. Writes
nothing to Redis. It is a process of its own because the figures are needed most while no worker runs, and because its
Redis user may only read.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ...shared import health, log
from ...shared.address import redacted
from ...shared.command import Stopping
from ...shared.connection import FAULTS, Redis, connect
from ...shared.fault import fault_of
from ...shared.settings import ConfigError
from ...shared.systemd import Health, SystemdNotifier
from ..settings import DEFAULT_EXPORTER_LISTEN, WorkerSettings
from . import bus_metrics, snapshot
from .snapshot import Bus

FRESH_S: Final = 1.0
POLL_S: Final = 8.0
"""Time limit of a query; Prometheus gives up after ten seconds by default."""

STUCK_S: Final = 10.0
"""An event loop blocked for this long is stuck: the longest query, over thousands of groups, takes a tenth of it."""


class BusCollector(Collector):
    """Queries the bus, and exports the last result."""

    def __init__(self, client: Redis, shards: int) -> None:
        self._client = client
        self._shards = shards
        self._lock = asyncio.Lock()
        self._fetched_at: float | None = None
        self._took_s = 0.0
        self._bus: Bus | None = None
        self._log = log.get("worker.exporter")

    @property
    def is_up(self) -> bool:
        """Whether the last query succeeded."""
        return self._bus is not None

    async def fetch(self) -> None:
        """Query the bus unless the result is fresh. Raises ConfigError when the first query finds another layout."""
        async with self._lock:
            began = time.monotonic()
            if self._fetched_at is not None and began - self._fetched_at < FRESH_S:
                return
            was_up, self._bus = self.is_up, None
            try:
                async with asyncio.timeout(POLL_S):
                    self._bus = await snapshot.fetch(self._client, self._shards)
            except (*FAULTS, TimeoutError, ConfigError) as error:
                if isinstance(error, ConfigError) and self._fetched_at is None:
                    raise
                if was_up or self._fetched_at is None:
                    self._log.warning("redis_unreachable", reason=fault_of(error).detail)
            else:
                if not was_up:
                    self._log.info("redis_connected")
            self._fetched_at = time.monotonic()
            self._took_s = self._fetched_at - began

    def describe(self) -> list[Metric]:
        """Empty: no other collector of the exporter's registry uses these names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The metrics of the last query."""
        yield bus_metrics.gauge("redis_up", "1 when the last query of Redis succeeded.", (), [((), self.is_up)])
        yield bus_metrics.gauge("exporter_query_seconds", "Duration of the last query.", (), [((), self._took_s)])
        if self._bus is not None:
            yield from bus_metrics.families(self._bus)


class Exporter:
    """The process that serves scrapes."""

    def __init__(self, settings: WorkerSettings, stopping: Stopping) -> None:
        self._settings = settings
        self._stopping = stopping
        self._client = connect(settings.address(), "hookbus-worker:exporter", connections=1)
        self._collector = BusCollector(self._client, settings.shards)
        self._registry = CollectorRegistry()
        self._registry.register(self._collector)
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._tick = health.LoopTick(asyncio.get_running_loop())
        self._is_listening = False
        self._log = log.get("worker.exporter")

    async def run(self) -> None:
        """Serve scrapes until `stopping` is set. Raises ConfigError, FailedError."""
        listen = self._settings.exporter_listen
        is_default = listen == DEFAULT_EXPORTER_LISTEN
        ops = await health.serve(listen, is_default, self._readiness, self._page)
        try:
            await self._collector.fetch()
            host, port = ops.addresses[0][:2]
            self._log.info("exporting", url=f"http://{host}:{port}/metrics", redis=redacted(self._settings.redis_url))
            self._is_listening = True
            with SystemdNotifier(Health(self._readiness, self._stall_reason, self._status)) as notifier:
                await self._stopping.wait()
                notifier.stopping()
        finally:
            self._tick.stop()
            await ops.cleanup()
            await self._client.aclose()
        self._log.info("stopped")

    async def _page(self) -> bytes:
        await self._collector.fetch()
        return generate_latest(self._registry)

    def _readiness(self) -> str:
        if self._stopping.is_set():
            return "draining"
        return health.READY if self._is_listening else "starting"

    def _stall_reason(self) -> str:
        age_s = self._tick.age_s()
        return f"the event loop has not turned for {age_s:.0f} s" if age_s > STUCK_S else ""

    def _status(self) -> str:
        return self._readiness() or (
            "exporting" if self._collector.is_up else "exporting nothing: Redis is unreachable"
        )

"""The life of `hookbus-worker exporter`: one process that tells Prometheus about the whole bus.

Looks when it is asked, at most once a second however many ask, so what is told is as old as the scrape. Redis away
means `hookbus_redis_up 0` and no other figure: an old backlog would be a lie. Changes nothing, and claims nothing.
A process of its own, since the figures are needed most while no worker runs, and since its Redis user may only read.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from redis.asyncio import Redis

from shared import health, log
from shared.command import Stopping
from shared.connection import FAULTS, connect, redacted
from shared.settings import ConfigError
from worker import bus, bus_metrics
from worker.bus import Bus
from worker.settings import DEFAULT_EXPORTER_LISTEN, WorkerSettings

FRESH_S: Final = 1.0
LOOK_S: Final = 8.0
"""Longest look; Prometheus gives up after ten seconds by default."""


class Watch(Collector):
    """Looks at the bus, and tells what it saw last."""

    def __init__(self, client: Redis, shards: int) -> None:
        self._client = client
        self._shards = shards
        self._looking = asyncio.Lock()
        self._looked_at: float | None = None
        self._took_s = 0.0
        self._seen: Bus | None = None
        self._log = log.get("worker.exporter")

    @property
    def is_up(self) -> bool:
        """Whether the last look saw Redis."""
        return self._seen is not None

    async def look(self) -> None:
        """Look, unless somebody just did. Raises ConfigError when the very first look meets another layout."""
        async with self._looking:
            began = time.monotonic()
            if self._looked_at is not None and began - self._looked_at < FRESH_S:
                return
            was_up, self._seen = self.is_up, None
            try:
                async with asyncio.timeout(LOOK_S):
                    self._seen = await bus.look(self._client, self._shards)
            except (*FAULTS, TimeoutError, ConfigError) as error:
                if isinstance(error, ConfigError) and self._looked_at is None:
                    raise
                if was_up or self._looked_at is None:
                    self._log.warning("redis_unreachable", reason=str(error) or type(error).__name__)
            else:
                if not was_up:
                    self._log.info("redis_reached")
            self._looked_at = time.monotonic()
            self._took_s = self._looked_at - began

    def describe(self) -> list[Metric]:
        """Nothing else has these names in the exporter's registry."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What the last look saw."""
        yield bus_metrics.gauge("redis_up", "1 when Redis told all this.", (), [((), self.is_up)])
        yield bus_metrics.gauge("exporter_look_seconds", "How long the look took.", (), [((), self._took_s)])
        if self._seen is not None:
            yield from bus_metrics.families(self._seen)


async def export(settings: WorkerSettings, stopping: Stopping) -> None:
    """Answer scrapes until stopping. Raises ConfigError."""
    logger = log.get("worker.exporter")
    client = connect(settings.redis_url, "hookbus-worker:exporter", connections=1)
    watch = Watch(client, settings.shards)
    registry = CollectorRegistry()
    registry.register(watch)
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)

    async def page() -> bytes:
        await watch.look()
        return generate_latest(registry)

    def readiness() -> str:
        return "draining" if stopping.is_set() else health.READY

    listen = settings.exporter_listen
    ops = await health.serve(listen, listen == DEFAULT_EXPORTER_LISTEN, readiness, page)
    try:
        await watch.look()
        host, port = ops.addresses[0][:2]
        logger.info("exporting", url=f"http://{host}:{port}/metrics", redis=redacted(settings.redis_url))
        await stopping.wait()
    finally:
        await ops.cleanup()
        await client.aclose()
    logger.info("stopped")

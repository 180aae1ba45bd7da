"""The life of hookbus-ingest: connect, listen, serve, drain, close.

On SIGTERM readiness turns 503, and requests are still served for the drain delay, since load balancers notice only
later. Then the port closes, received requests are stored and answered, and the process ends. No accepted request is
refused, and no established connection is reset (port.py). SIGHUP reloads the secrets (rotation.py).
"""

import asyncio
import socket
from collections.abc import Callable, Sequence

from aiohttp import web

from ..shared import descriptors, health, log
from ..shared.address import redacted
from ..shared.command import FailedError, Stopping
from ..shared.connection import connect
from ..shared.http_server import Limits, Server
from ..shared.listen import Listen
from ..shared.raw_connection import RawConnection
from ..shared.settings import ConfigError
from ..shared.systemd import Health, SystemdNotifier, passed_sockets
from ..shared.task_group import task_group
from . import metrics
from .body import Bodies
from .enqueue import Queue
from .port import HANDSHAKE_S, close_port, open_port
from .probes import Probes
from .receive import Receiver
from .redis_health import RedisHealth
from .registration import Registration
from .rejections import Rejections
from .rotation import Rotation
from .settings import DEFAULT_OPS_LISTEN, IngestSettings
from .verify_runs import VerifyRuns

FINISH_S = 10.0
"""How long requests in flight may take once the port is closed: two Redis timeouts."""
STUCK_S = 10.0
"""An event loop that has not turned for so long is stuck: nothing here blocks it for more than milliseconds."""
OPS_NAME = "ops"
"""`FileDescriptorName=` of the passed socket for health and metrics; all others are for webhooks."""


async def serve(
    settings: IngestSettings, stopping: Stopping, reload_settings: Callable[[], IngestSettings] | None = None
) -> None:
    """Receive until `stopping` is set, then finish the requests in flight. Raises ConfigError.

    `reload_settings` returns new settings on SIGHUP; without it only secret files are read again.
    """
    await Ingest(settings, stopping, reload_settings or (lambda: settings)).run()


class Ingest:
    """One ingest process: its Redis connections, HTTP server and duties."""

    def __init__(
        self, settings: IngestSettings, stopping: Stopping, reload_settings: Callable[[], IngestSettings]
    ) -> None:
        self._settings = settings
        self._stopping = stopping
        self._log = log.get("ingest")
        self._tick = health.LoopTick(asyncio.get_running_loop())
        self._redis_health = RedisHealth(
            settings.durability, settings.shards, settings.unsafe_redis, settings.dedupe_days
        )
        self._address = settings.address()
        self._probe = connect(self._address, "hookbus-ingest:health", connections=1)
        self._writers = [self._writer(shard) for shard in range(settings.shards)]
        self._queues = [self._queue(shard, connection) for shard, connection in enumerate(self._writers)]
        bodies = Bodies(settings.max_body_bytes, settings.max_inflight_bytes, settings.body_timeout_s)
        # Rejections and the registration take turns.
        self._rejections_client = connect(self._address, "hookbus-ingest:rejections", connections=1, waits=True)
        self._rejections = Rejections(self._rejections_client)
        self._verify_client = connect(self._address, "hookbus-ingest:verify", connections=1)
        verify_runs = VerifyRuns(self._verify_client, settings.enqueue_timeout_s)
        self._receiver = receiver = Receiver({}, self._queues, bodies, self._rejections.record, verify_runs)
        self._rotation = Rotation(settings, reload_settings, receiver.use_endpoints)
        handle = receiver.handle
        if settings.health_path:
            handle = Probes(settings.health_path, self._readiness, receiver.handle).handle
        self._http = Server(handle, _limits(settings), lambda code: receiver.count("", code))
        metrics.CONNECTIONS.set_function(lambda: len(self._http.connections))
        self._runner = web.ServerRunner(self._http, shutdown_timeout=FINISH_S)
        self._is_listening = False
        self._registration = Registration(
            self._rejections_client,
            settings=lambda: self._rotation.settings,
            listen=lambda: tuple(map(str, _addresses(self._runner))),
            reason=self._hindrance,
            memory_used=lambda: self._redis_health.memory_used,
            was_healthy=self._redis_health.was_healthy,
        )
        self._notifier = SystemdNotifier(Health(self._readiness, self._stall_reason, self._status))
        stopping.on_hangup = self._reread_address

    async def run(self) -> None:
        """Run until stopping. Raises ConfigError, FailedError."""
        if self._settings.unsafe_redis:
            effect = "a 200 does not mean that the event is durable. Never use this in production"
            self._log.warning("unsafe_redis", effect=effect)
        duties = [queue.run() for queue in self._queues]
        duties += [self._redis_health.run(self._probe), self._rotation.run(self._notifier), self._rejections.run()]
        duties.append(self._registration.run())
        try:
            with self._notifier:
                async with task_group(ConfigError, FailedError) as group:
                    tasks = [group.create_task(duty) for duty in duties]
                    await self._listen_and_drain()
                    for task in tasks:
                        task.cancel()
        finally:
            self._tick.stop()
            for writer in self._writers:
                await writer.aclose()
            for client in (self._probe, self._rejections_client, self._verify_client):
                await client.aclose()
        self._log.info("stopped")

    def _reread_address(self) -> None:
        self._address.refresh()
        self._rotation.reload()

    def _writer(self, shard: int) -> RawConnection:
        timeout_s, on_connect = self._settings.enqueue_timeout_s, self._redis_health.on_connect
        return RawConnection(
            connect(self._address, f"hookbus-ingest:{shard}", reply_timeout_s=timeout_s, on_connect=on_connect)
        )

    def _queue(self, shard: int, connection: RawConnection) -> Queue:
        settings = self._settings
        return Queue(
            connection,
            shard,
            self._redis_health,
            days=settings.dedupe_days,
            batch_size=settings.batch_size,
            max_waiting=settings.max_waiting,
        )

    async def _listen_and_drain(self) -> None:
        settings = self._settings
        await self._runner.setup()
        passed = passed_sockets()
        ops_port = next((sock for name, sock in passed if name == OPS_NAME), None)
        is_default = settings.ops_listen == DEFAULT_OPS_LISTEN
        ops = await health.serve(settings.ops_listen, is_default, self._readiness, passed=ops_port)
        try:
            webhook_ports = [sock for name, sock in passed if name != OPS_NAME]
            await self._serve_and_drain(webhook_ports, f"http://{_addresses(ops)[0]}")
        finally:
            await self._runner.cleanup()  # answers requests in flight while health and metrics still work
            await ops.cleanup()

    async def _serve_and_drain(self, passed: Sequence[socket.socket], ops: str) -> None:
        settings, receiver = self._settings, self._receiver
        sites = await open_port(self._runner, settings.listen, passed, self._redis_health)
        self._is_listening = True
        self._log.info(
            "listening",
            urls=[
                f"http://{at}{source.path}" for at in _addresses(self._runner) for source in settings.sources.values()
            ],
            ops=ops,
            redis=redacted(settings.redis_url),
            durability=settings.durability,
            **({"port": "passed by systemd"} if passed else {}),
        )
        await self._stopping.wait()
        self._notifier.stopping()
        delay_s = 0.0 if self._stopping.is_interactive else settings.drain_delay_s
        self._log.info("draining", delay_s=delay_s)
        receiver.is_leaving = True
        await asyncio.sleep(delay_s)
        await close_port(sites, self._http, 0.0 if self._stopping.is_interactive else HANDSHAKE_S)
        receiver.close()

    def _readiness(self) -> str:
        redis_health = self._redis_health
        if self._stopping.is_set():
            return "draining"
        if not redis_health.was_healthy.is_set():
            return redis_health.fault.detail if redis_health.fault else "starting"
        # Not `runner.sites`: aiohttp lists a site before the kernel listens on it.
        return health.READY if self._is_listening else "starting"

    def _stall_reason(self) -> str:
        age_s = self._tick.age_s()
        return f"the event loop has not turned for {age_s:.0f} s" if age_s > STUCK_S else ""

    def _hindrance(self) -> str:
        """Why it stores nothing now, "" if it does. It stays ready while Redis is at fault: all replicas share it."""
        fault = self._redis_health.fault
        return self._readiness() or (f"answering 503 {fault.code}: {fault.detail}" if fault else "")

    def _status(self) -> str:
        if reason := self._readiness():
            return f"not ready: {reason}"
        if hindrance := self._hindrance():
            return hindrance
        return f"ready, {len(self._http.connections)} connections"


def _limits(settings: IngestSettings) -> Limits:
    connections = descriptors.room_for(settings.max_connections)
    if connections < settings.max_connections:
        log.get("ingest").warning("few_descriptors", connections=connections, wanted=settings.max_connections)
    return Limits(connections, settings.header_timeout_s, settings.keepalive_s)


def _addresses(runner: web.BaseRunner) -> list[Listen]:
    return [Listen(*address[:2]) for address in runner.addresses]

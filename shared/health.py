"""Probes: `/healthz`, `/readyz`, `/metrics`, on a second port of both programs, and beside the pages of the console.

They listen on loopback by default, since they need no credentials. Liveness means only that the event loop runs, and
ignores Redis: restarting a program does not repair a database.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Final

import prometheus_client
from aiohttp import web

from . import metrics
from .http_server import FINISH_S, Limits, Server, open_port
from .listen import Listen

Page = Callable[[], Awaitable[bytes]]
"""Renders the body of `/metrics`."""

READY = ""
"""The result of a readiness check that passes; any other text is the reason why it does not."""

OPS_CONNECTIONS: Final = 50
"""Connections of probes and scrapers; further ones get a 503 and are closed."""


async def _own_metrics() -> bytes:
    return prometheus_client.generate_latest()


async def serve(
    listen: Listen,
    default: bool,
    readiness: Callable[[], str],
    page: Page = _own_metrics,
    passed: socket.socket | None = None,
) -> web.BaseRunner:
    """Start the second port; `readiness` returns "" when ready, else the reason. Stop with `await runner.cleanup()`.

    A `passed` socket, on which systemd listens for us, takes precedence over `listen`. Otherwise as `open_port`.
    """

    async def answer(request: web.BaseRequest) -> web.Response:
        return await probe_answer(request, readiness, page)

    server = Server(answer, Limits(OPS_CONNECTIONS))
    if passed is None:
        return await open_port(server, listen, default)
    runner = web.ServerRunner(server, shutdown_timeout=FINISH_S)
    await runner.setup()
    await web.SockSite(runner, passed).start()
    return runner


def ready_answer(reason: str) -> web.Response:
    """The response of `/readyz`: 200, or 503 with the reason for not being ready."""
    if reason == READY:
        return web.json_response({"status": "ready"})
    return web.json_response({"status": "not_ready", "reason": reason}, status=503)


async def probe_answer(request: web.BaseRequest, readiness: Callable[[], str], page: Page) -> web.Response:
    """The response to a probe or a scraper; 404 to anything else."""
    if request.path == "/metrics":
        return web.Response(body=await page(), headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST})
    if request.path == "/healthz":
        return web.json_response({"status": "alive"})
    if request.path == "/readyz":
        return ready_answer(readiness())
    return web.json_response({"error": "unknown_endpoint"}, status=404)


class LoopTick:
    """Records when the event loop last ran, for liveness threads and readiness.

    A timer fires every half second, and its lag is measured. While CPU work blocks the loop, `age_s` grows.
    """

    INTERVAL_S = 0.5

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._last = loop.time()
        self._handle = loop.call_later(self.INTERVAL_S, self._tick)

    def _tick(self) -> None:
        metrics.LOOP_LAG.observe(max(0.0, self.age_s() - self.INTERVAL_S))
        self._last = self._loop.time()
        self._handle = self._loop.call_later(self.INTERVAL_S, self._tick)

    def age_s(self) -> float:
        """Seconds since the loop last ran. Safe from any thread: `loop.time()` is the monotonic clock."""
        return self._loop.time() - self._last

    def stop(self) -> None:
        """Cancel the timer."""
        self._handle.cancel()

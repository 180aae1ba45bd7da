"""The second port of both programs: `/healthz`, `/readyz`, `/metrics`.

Loopback by default: it answers whoever asks. Liveness says only that the event loop turns, and never looks at Redis:
restarting a program does not mend a database.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Final

import prometheus_client
from aiohttp import web

from . import metrics
from .command import cannot_listen
from .http_server import Limits, Server
from .settings import Listen

Page = Callable[[], Awaitable[bytes]]
"""Makes what `/metrics` answers."""

READY = ""
"""What a readiness check returns when there is nothing to say."""

OPS_CONNECTIONS: Final = 50
"""Of probes and scrapers; further ones are closed with a 503."""


async def _own_figures() -> bytes:
    return prometheus_client.generate_latest()


async def serve(
    listen: Listen,
    default: bool,
    readiness: Callable[[], str],
    page: Page = _own_figures,
    passed: socket.socket | None = None,
) -> web.BaseRunner:
    """Start the port; `readiness` returns "" when ready, else the reason. Stop with `await runner.cleanup()`.

    A `passed` socket, on which systemd listens for us, goes before `listen`.

    When `default` is true (nobody chose the port) and it is taken, as by a second process on a laptop, a free one is
    used. Raises ConfigError, FailedError as `cannot_listen` has it.
    """
    runner = web.ServerRunner(Server(_answers(readiness, page), Limits(OPS_CONNECTIONS)), shutdown_timeout=1)
    await runner.setup()
    if passed is not None:
        await web.SockSite(runner, passed).start()
        return runner
    for port in (listen.port, 0) if default else (listen.port,):
        try:
            await web.TCPSite(runner, listen.host, port).start()
        except (OSError, UnicodeError) as error:
            if port == 0 or not default:
                await runner.cleanup()
                raise cannot_listen(f"ops_listen: can't listen on {listen}", error) from None
        else:
            break
    return runner


def ready_answer(reason: str) -> web.Response:
    """What `/readyz` answers: 200, or 503 with the reason for not being ready."""
    if reason == READY:
        return web.json_response({"status": "ready"})
    return web.json_response({"status": "not_ready", "reason": reason}, status=503)


def _answers(readiness: Callable[[], str], page: Page) -> Callable[[web.BaseRequest], Awaitable[web.Response]]:
    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path == "/metrics":
            return web.Response(
                body=await page(),
                headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST},
            )
        if request.path == "/healthz":
            return web.json_response({"status": "alive"})
        if request.path == "/readyz":
            return ready_answer(readiness())
        return web.json_response({"error": "unknown_endpoint"}, status=404)

    return answer


class LoopTick:
    """Notes when the event loop last turned, for liveness threads and readiness.

    One timer every half second, whose lag is measured; a loop blocked by CPU work stops ticking, and `age_s` grows.
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
        """Seconds since the loop last turned. Safe from any thread: `loop.time()` is the monotonic clock."""
        return self._loop.time() - self._last

    def stop(self) -> None:
        """Let the loop rest."""
        self._handle.cancel()

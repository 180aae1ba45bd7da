"""`hookbus-worker console`: the process that serves the pages.

It needs Redis, not the workers, and changes nothing but what an operator asks for. One for a bus is enough;
several do no harm.
"""

import asyncio
from typing import Final

from aiohttp import web

from ...shared import health, log
from ...shared.address import redacted
from ...shared.command import Stopping
from ...shared.connection import connect
from ...shared.http_server import Limits, Server, open_port
from ...shared.settings import ConfigError
from ...shared.systemd import Health, SystemdNotifier
from ...shared.task_group import task_group
from ..settings import DEFAULT_CONSOLE_LISTEN, WorkerSettings
from . import guard, metrics
from .app import App
from .doors import lets_operators_in
from .looker import Looker

CONNECTIONS: Final = 100
"""Connections of browsers; some keep six open each."""
REDIS_CONNECTIONS: Final = 6
"""One look and some pages at once; further ones wait."""
STUCK_S: Final = 10.0
"""An event loop blocked for this long is stuck: the longest look, over thousands of groups, takes a tenth of it."""


class Console:
    """The process."""

    def __init__(self, settings: WorkerSettings, stopping: Stopping) -> None:
        self._settings = settings
        self._stopping = stopping
        self._client = connect(settings.address(), "hookbus-worker:console", connections=REDIS_CONNECTIONS, waits=True)
        self._looker = Looker(self._client, settings.shards, writes=lets_operators_in(settings))
        self._guard = guard.allowed(settings.console_listen, settings.console_hosts)
        self._app = App(self._client, settings, self._looker, self._guard)
        self._registry = metrics.registry(self._looker, self._app.jobs)
        self._tick = health.LoopTick(asyncio.get_running_loop())
        self._is_listening = False
        self._log = log.get("worker.console")

    async def run(self) -> None:
        """Serve pages until `stopping` is set. Raises ConfigError, FailedError."""
        listen = self._settings.console_listen
        server = Server(self._answer, Limits(CONNECTIONS), headers=guard.HEADERS)
        port = await open_port(server, listen, listen == DEFAULT_CONSOLE_LISTEN)
        try:
            async with task_group(ConfigError) as duties:
                looking = duties.create_task(self._looker.run())
                host, number = port.addresses[0][:2]
                self._log.info("serving", url=f"http://{host}:{number}/", redis=redacted(self._settings.redis_url))
                if listen.port not in (0, number):
                    self._log.warning("console_port_taken", wanted=str(listen), port=number)
                self._is_listening = True
                with SystemdNotifier(Health(self._readiness, self._stall_reason, self._status)) as notifier:
                    await self._stopping.wait()
                    notifier.stopping()
                looking.cancel()
        finally:
            self._tick.stop()
            # Side by side: where Redis hangs, each takes a second.
            await asyncio.gather(self._app.jobs.stop(), port.cleanup())
            await self._client.aclose()
        self._log.info("stopped")

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await (self._probed(request) if request.path in guard.PROBES else self._app.answer(request))
        for name, value in guard.HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    async def _probed(self, request: web.BaseRequest) -> web.Response:
        refused = self._guard.refusal_of_probe(request.method, request.path, request.headers)
        if refused is not None:
            return web.Response(status=refused.status, text=f"{refused.reason}\n")
        return await health.probe_answer(request, self._readiness, self._metrics)

    async def _metrics(self) -> bytes:
        return metrics.page(self._registry)

    def _readiness(self) -> str:
        if self._stopping.is_set():
            return "draining"
        return health.READY if self._is_listening else "starting"

    def _stall_reason(self) -> str:
        age_s = self._tick.age_s()
        return f"the event loop has not turned for {age_s:.0f} s" if age_s > STUCK_S else ""

    def _status(self) -> str:
        return self._readiness() or ("showing old figures: Redis is unreachable" if self._looker.problem else "serving")

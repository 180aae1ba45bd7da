"""The HTTP server under every port: aiohttp's, with the deadlines and bounds that it lacks.

aiohttp has no deadline for the rest of a request head, nor for a client that does not read its responses; it accepts
any number of connections, and logs a traceback for invalid HTTP. Here one sweep a second checks every connection, so
that none needs a timer or a task, and a request pays for two comparisons. A handler limits the time of its own request.

When all connections are taken, the oldest unproven one gives way to the next. A handler marks a connection as proven
(`prove`), for example after a valid signature. So slow sockets can't shut out honest senders, whose requests take
milliseconds to be proven, and the idle connections of a proxy stay.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from logging import Logger
from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from . import log
from .command import cannot_listen
from .http_connection import Connection, is_fresh
from .listen import Listen
from .throttle import Throttle

SWEEP_S: Final = 1.0
SETTLE_S: Final = 0.2
"""How long a connection that was opened just before the port closed may take to send its request."""
SETTLE_POLLS: Final = 20
LINGER_S: Final = 2.0
"""How long the rest of a refused body is read and dropped, so that the client gets the response and not a reset."""
FINISH_S: Final = 0.5
"""How long a request may go on after the port closed; aiohttp waits as long again for the end of one it cancels."""
NAMELESS: Final[Mapping[str, str]] = {"Server": "hookbus"}
"""In place of aiohttp's name and version, which tell an attacker what to try."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a server.

    `head_s` runs from the opening of a connection, or the first byte of a later request, to the end of the head.
    """

    connections: int = 1000
    head_s: float = 10.0
    keepalive_s: float = 75.0


class Server(web.Server):
    """`handle` serves requests; `count` gets the code of each request or connection that ends without it, and `headers`
    are those of the response to an invalid one."""

    def __init__(
        self,
        handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        limits: Limits,
        count: Callable[[str], None] = lambda _: None,
        headers: Mapping[str, str] = NAMELESS,
    ) -> None:
        super().__init__(handle)
        self.headers = headers
        self.limits = limits
        self.count = count
        self.log = log.get("http")
        self.throttle = Throttle()
        self.unproven: dict[Connection, None] = {}
        """Oldest first."""
        self._sweep = self._loop.call_later(SWEEP_S, self._sweep_connections)

    def __call__(self) -> RequestHandler:
        return Connection(
            self,
            loop=self._loop,
            access_log=None,
            keepalive_timeout=self.limits.keepalive_s,
            lingering_time=LINGER_S,
            logger=_silent(),
        )

    @property
    def is_full(self) -> bool:
        """Whether all connections are taken."""
        return len(self._connections) >= self.limits.connections

    def makes_room(self) -> bool:
        """Close the oldest unproven connection. False if there is none."""
        oldest = next(iter(self.unproven), None)
        if oldest is None:
            return False
        oldest.give_way()
        return True

    async def settled(self) -> None:
        """Wait for the first request of each connection after the port closed; `SETTLE_S` at most."""
        for _ in range(SETTLE_POLLS):
            if not any(is_fresh(connection) for connection in self._connections):
                return
            await asyncio.sleep(SETTLE_S / SETTLE_POLLS)

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aiohttp's
        try:
            await super().shutdown(timeout)
        finally:
            self._sweep.cancel()

    def _sweep_connections(self) -> None:
        now = self._loop.time()
        for connection, transport in list(self._connections.items()):
            if isinstance(connection, Connection):
                connection.close_if_overdue(transport, now, self.limits.head_s)
        self._sweep = self._loop.call_later(SWEEP_S, self._sweep_connections)


async def open_port(server: Server, listen: Listen, default: bool) -> web.BaseRunner:
    """Serve on a port. If `default` is true (the port is not configured) and the port is taken, as by a second process
    on a laptop, a free one is used. Raises ConfigError or FailedError, as `cannot_listen` chooses."""
    runner = web.ServerRunner(server, shutdown_timeout=FINISH_S)
    await runner.setup()
    for port in (listen.port, 0) if default else (listen.port,):
        try:
            await web.TCPSite(runner, listen.host, port).start()
        except (OSError, UnicodeError) as error:
            if port == 0 or not default:
                await runner.cleanup()
                raise cannot_listen(f"{listen.setting}: can't listen on {listen}", error) from None
        else:
            break
    return runner


def _silent() -> Logger:
    """A disabled logger for aiohttp's messages about clients, which carry tracebacks."""
    logger = Logger("aiohttp.server")
    logger.disabled = True
    return logger

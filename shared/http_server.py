"""The HTTP server under every port: aiohttp's, with the deadlines and bounds that it lacks.

aiohttp waits as long as it likes for the rest of a request head, and for ever for a client that does not read its
answers; it takes any number of connections, and logs a traceback for bytes that are not HTTP. Here one sweep each
second looks at every connection, so that there is no timer and no task for each, and a request pays for two
comparisons. What a request in hand may take is its handler's matter.

When all connections are taken, the oldest that has proved nothing gives way to the next: a handler says which have
(`prove`), as by a signature. So slow sockets can't shut out honest senders, whose requests take milliseconds to prove
themselves, and the idle connections of a proxy stay.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from logging import Logger
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from shared import log

SWEEP_S: Final = 1.0
SETTLE_S: Final = 0.2
"""How long a connection that was opened just before the port closed may take to send its request."""
SETTLE_LOOKS: Final = 20
STALL_S: Final = 10.0
"""How long a client may leave answers unread, or keep a connection that we closed."""
MOST_HEAD_BYTES: Final = 32 * 1024
"""Of a head that comes in pieces, as nginx has it (`large_client_header_buffers`, 4 × 8k): what waits is held."""
LINGER_S: Final = 2.0
"""How long the rest of a refused body is read and dropped, so that the client sees the answer and not a reset."""
READ_BYTES: Final = 64 * 1024
"""What aiohttp buffers of a body, or of requests behind the one in hand, before it stops reading: between once and
twice this, and one read of uvloop's (256 KiB at most) more."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`head_s` from the opening of a connection, or the first byte of a later request, to the end of the head."""

    connections: int = 1000
    head_s: float = 10.0
    keepalive_s: float = 75.0


class GaveWayError(ConnectionError):
    """All connections are taken, and this one, which had proved nothing, gave way to another."""


class Server(web.Server):
    """`handle` answers requests; `count` is told the code of what is answered or closed without it."""

    def __init__(
        self,
        handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        limits: Limits,
        count: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(handle)
        self.limits = limits
        self.count = count
        self.log = log.get("http")
        self.throttle = log.Throttle()
        self.unproven: dict[_Connection, None] = {}
        """Oldest first."""
        self._sweep = self._loop.call_later(SWEEP_S, self._look)

    def __call__(self) -> RequestHandler:
        return _Connection(
            self,
            loop=self._loop,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=self.limits.keepalive_s,
            lingering_time=LINGER_S,
            read_bufsize=READ_BYTES,
            logger=_silent(),
        )

    @property
    def is_full(self) -> bool:
        """No further connection may stay."""
        return len(self._connections) >= self.limits.connections

    def makes_room(self) -> bool:
        """Whether a connection gave way: the oldest that has proved nothing, if there is one."""
        oldest = next(iter(self.unproven), None)
        if oldest is None:
            return False
        oldest.give_way()
        return True

    async def settled(self) -> None:
        """Wait for the first request of each connection, once the port is closed; `SETTLE_S` at most."""
        for _ in range(SETTLE_LOOKS):
            if not any(is_fresh(connection) for connection in self._connections):
                return
            await asyncio.sleep(SETTLE_S / SETTLE_LOOKS)

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aiohttp's
        try:
            await super().shutdown(timeout)
        finally:
            self._sweep.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        for connection, transport in list(self._connections.items()):
            if isinstance(connection, _Connection):
                connection.look(transport, now, self.limits.head_s)
        self._sweep = self._loop.call_later(SWEEP_S, self._look)


def is_fresh(connection: RequestHandler) -> bool:
    """Nothing was asked on it yet."""
    return connection._request_count == 0  # aiohttp's own; there is no other way to know


def prove(request: web.BaseRequest) -> None:
    """Let the connection of a request stay however many come: it carried what only an honest client has."""
    connection = request.protocol
    if isinstance(connection, _Connection) and not connection.is_proven:
        connection.is_proven = True
        connection.served_by.unproven.pop(connection, None)


class _Connection(RequestHandler):
    """One connection. Times are the loop's."""

    __slots__ = ("_head_at", "_head_bytes", "_opened_at", "_stalled_at", "is_proven", "served_by")

    def __init__(self, server: Server, **options: Any) -> None:
        super().__init__(server, **options)
        self.served_by = server
        self.is_proven = False
        self._opened_at = 0.0
        self._head_at: float | None = None
        """Since when a part of a head waits for the rest."""
        self._head_bytes = 0
        self._stalled_at: float | None = None
        """Since when answers are not read, or the end of a closed connection is not reached."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        server = self.served_by
        if server.is_full and not server.makes_room():
            self._force_close = True  # so that what it has sent is not looked at
            server.count("overloaded")
            _refuse(cast(asyncio.Transport, transport))  # no isinstance: a transport of uvloop's is none of asyncio's
            return
        self._opened_at = self._loop.time()
        server.unproven[self] = None
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.served_by.unproven.pop(self, None)
        super().connection_lost(exc)

    def give_way(self) -> None:
        """End the connection in favour of another. A body on its way ends with GaveWayError: its handler counts it."""
        self.served_by.unproven.pop(self, None)
        if self._current_request is None:
            self.served_by.count("overloaded")
        else:
            self._current_request._cancel(GaveWayError("all connections are taken"))
        if self.transport is not None:
            _refuse(self.transport)
        self.force_close()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        waiter = self._waiter
        if waiter is None or waiter.done():
            self._head_at = None
            return
        if self._head_at is None:
            self._head_at, self._head_bytes = self._loop.time(), 0
        self._head_bytes += len(data)
        if self._head_bytes > MOST_HEAD_BYTES:
            self._end(400, "malformed_request")

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Asked with each body that is read; aiohttp goes through its parser for that, though nothing was held back."""
        if self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled_at = self._loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled_at = None

    def look(self, transport: asyncio.Transport, now: float, head_s: float) -> None:
        """Close the connection if it is overdue."""
        if transport.is_closing() and self._stalled_at is None:
            self._stalled_at = now
        if self._stalled_at is not None:
            if now - self._stalled_at > STALL_S:
                transport.abort()
        elif self._waiter is None or self._waiter.done():
            pass  # a request is in hand
        elif self._head_at is not None:
            if now - self._head_at > head_s:
                self._end(408, "header_timeout")
        elif is_fresh(self) and now - self._opened_at > head_s:
            self.served_by.count("header_timeout")
            self.force_close()  # silently: who has asked nothing would take it for the answer to its first request

    def _end(self, status: int, code: str) -> None:
        self.served_by.count(code)
        if self.transport is not None:
            self.transport.write(_bare(status, code))
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer bytes that are not HTTP, or a fault of ours, whose traceback is logged."""
        if request.writer is not None and request.writer.output_size > 0:
            raise ConnectionError("the answer has begun; there can't be another")
        code = "internal_error" if status >= 500 else "malformed_request"
        self.served_by.count(code)
        left_out = self.served_by.throttle.left_out(code)
        if left_out is not None:
            if status >= 500:
                self.served_by.log.error(code, exc_info=exc, left_out=left_out)
            else:
                self.served_by.log.debug(code, peer=request.remote, reason=type(exc).__name__, left_out=left_out)
        response = web.json_response({"error": code}, status=status)
        response.force_close()
        return response


def _refuse(transport: asyncio.Transport) -> None:
    """Answer 503 and close; at once where answers wait unread, since those would keep it open."""
    if transport.is_closing() or transport.get_write_buffer_size():
        transport.abort()
        return
    transport.write(_bare(503, "overloaded", "Retry-After: 1\r\n"))
    transport.close()


def _bare(status: int, code: str, header: str = "") -> bytes:
    """An answer to no request that aiohttp knows of."""
    body = f'{{"error":"{code}"}}'
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n{header}"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


def _silent() -> Logger:
    """A logger for aiohttp's own remarks about clients, which carry tracebacks."""
    logger = Logger("aiohttp.server")
    logger.disabled = True
    return logger

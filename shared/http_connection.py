"""One connection of an HTTP server: aiohttp's, which parses and responds, with the bounds that it lacks.

It bounds the buffered part of a request head, closes overdue connections at the server's sweep, gives way to another
when all connections are taken, and loses no request because of the bytes that follow it.
"""

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp import web
from aiohttp.http_parser import HttpRequestParser
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo

if TYPE_CHECKING:
    from .http_server import Server

STALL_S: Final = 10.0
"""How long a client may leave responses unread, or keep a connection open that we closed."""
MAX_HEAD_BYTES: Final = 32 * 1024
"""Largest head that arrives in pieces, which are buffered; nginx's limit (`large_client_header_buffers`, 4 × 8k)."""
READ_BYTES: Final = 64 * 1024
"""Bytes that aiohttp buffers of a body, or of the requests after the current one, before it stops reading: between once
and twice this number, plus one read of uvloop (256 KiB at most)."""


class GaveWayError(ConnectionError):
    """All connections are taken, and this one, which was not proven, gave way to another."""


def is_fresh(connection: RequestHandler) -> bool:
    """Whether the connection has carried no request yet."""
    return connection._request_count == 0  # private in aiohttp, which has no public counter


def prove(request: web.BaseRequest) -> None:
    """Mark a request's connection as proven, so that it never gives way: only honest clients get this far."""
    connection = request.protocol
    if isinstance(connection, Connection) and not connection.is_proven:
        connection.is_proven = True
        connection.served_by.unproven.pop(connection, None)


class Connection(RequestHandler):
    """One connection. Times are those of the event loop."""

    __slots__ = (
        "_awaits_body",
        "_head_at",
        "_head_bytes",
        "_last_body",
        "_opened_at",
        "_stalled_at",
        "is_proven",
        "served_by",
    )

    def __init__(self, server: "Server", **options: Any) -> None:
        super().__init__(server, read_bufsize=READ_BYTES, auto_decompress=False, **options)
        self._parser = HttpRequestParser(
            self,
            self._loop,
            READ_BYTES,
            max_line_size=self.max_line_size,
            max_field_size=self.max_field_size,
            max_headers=self.max_headers,
            payload_exception=RequestPayloadError,
            auto_decompress=False,
            max_msg_queue_size=1,
        )
        self.served_by = server
        self.is_proven = False
        self._opened_at = 0.0
        self._head_at: float | None = None
        """When the first part of an incomplete head arrived; None without one."""
        self._head_bytes = 0
        self._last_body: StreamReader = EMPTY_PAYLOAD
        """Body of the newest request."""
        self._awaits_body = False
        self._stalled_at: float | None = None
        """Since when the client has not read responses, or a closing connection has not ended; None otherwise."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        server = self.served_by
        if server.is_full and not server.makes_room():
            self._force_close = True  # so that its bytes are not parsed
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
        """Close the connection to make room. A body in transfer raises GaveWayError: its handler counts it."""
        self.served_by.unproven.pop(self, None)
        if self._current_request is None:
            self.served_by.count("overloaded")
        else:
            self._current_request._cancel(GaveWayError("all connections are taken"))
        if self.transport is not None:
            _refuse(self.transport)
        self.force_close()

    def data_received(self, data: bytes) -> None:
        count = self._request_count
        super().data_received(data)
        if count != self._request_count:
            self._last_body = self._messages[-1][1]
            self._awaits_body = not self._last_body.is_eof()
            # The usual case, one request and nothing after it, needs no further call of the parser.
            if self._awaits_body or data.find(b"\r\n\r\n") + 4 + self._last_body.total_bytes != len(data):
                self._parse_next()
        elif self._awaits_body and self._last_body.is_eof():
            self._awaits_body = False
            self._parse_next()
        waiter = self._waiter
        if waiter is None or waiter.done():
            self._head_at = None
            return
        if self._head_at is None:
            self._head_at, self._head_bytes = self._loop.time(), 0
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._end(400, "malformed_request")

    def _parse_next(self) -> None:
        """Parse the bytes that follow a request in the same read.

        The parser stops after each request: when it meets invalid HTTP, it drops all requests found in those bytes.
        """
        while self._parser is not None and not self._awaits_body:
            is_fault = bool(self._messages) and isinstance(self._messages[-1][0], _ErrInfo)
            if is_fault or len(self._messages) >= self._max_msg_queue_size:
                return  # aiohttp continues once some are handled
            count = self._request_count
            self._parser.message_consumed()
            super().data_received(b"")
            if count == self._request_count:
                return
            self._last_body = self._messages[-1][1]
            self._awaits_body = not self._last_body.is_eof()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep a connection whose client has shut down its writing side until all its requests have a response."""
        waiter = self._waiter
        is_idle = waiter is not None and not waiter.done()
        if is_idle or self._awaits_body:
            return False
        if self._messages:
            self._request_handler = self._handle_to_the_end
        else:
            self._close = True  # after the response to the current request
        return True

    async def _handle_to_the_end(self, request: web.BaseRequest) -> web.StreamResponse:
        self._close = not self._messages
        return await self.served_by.request_handler(request)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Called for each body read. Skip aiohttp's call of its parser if nothing was held back."""
        if self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled_at = self._loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled_at = None

    def close_if_overdue(self, transport: asyncio.Transport, now: float, head_s: float) -> None:
        """Close the connection if it is overdue."""
        if transport.is_closing() and self._stalled_at is None:
            self._stalled_at = now
        if self._stalled_at is not None:
            if now - self._stalled_at > STALL_S:
                transport.abort()
        elif self._waiter is None or self._waiter.done():
            pass  # a request is being handled
        elif self._head_at is not None:
            if now - self._head_at > head_s:
                self._end(408, "header_timeout")
        elif is_fresh(self) and now - self._opened_at > head_s:
            self.served_by.count("header_timeout")
            self.force_close()  # silently: the client would take a 408 for the response to its first request

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
        """Respond to invalid HTTP, or to an error of ours, whose traceback is logged."""
        if request.writer is not None and request.writer.output_size > 0:
            raise ConnectionError("the response has begun; there can't be another")
        code = "internal_error" if status >= 500 else "malformed_request"
        self.served_by.count(code)
        suppressed = self.served_by.throttle.suppressed(code)
        if suppressed is not None:
            if status >= 500:
                self.served_by.log.error(code, exc_info=exc, suppressed=suppressed)
            else:
                self.served_by.log.debug(code, peer=request.remote, reason=type(exc).__name__, suppressed=suppressed)
        response = web.json_response({"error": code}, status=status, headers=self.served_by.headers)
        response.force_close()
        return response


def _refuse(transport: asyncio.Transport) -> None:
    """Send 503 and close; abort if responses are unread, since they would keep the connection open."""
    if transport.is_closing() or transport.get_write_buffer_size():
        transport.abort()
        return
    transport.write(_bare(503, "overloaded", "Retry-After: 1\r\n"))
    transport.close()


def _bare(status: int, code: str, header: str = "") -> bytes:
    """The bytes of a response without a request in aiohttp."""
    body = f'{{"error":"{code}"}}'
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n{header}"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()

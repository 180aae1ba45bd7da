"""One connection of an HTTP server: aiohttp's, which parses and answers, with what it lacks.

It bounds what waits of a request's head, ends what is overdue when the server's sweep comes by, gives way to another
when all connections are taken, and loses no request for what comes behind it.
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
"""How long a client may leave answers unread, or keep a connection that we closed."""
MAX_HEAD_BYTES: Final = 32 * 1024
"""Of a head that comes in pieces, as nginx has it (`large_client_header_buffers`, 4 × 8k): what waits is held."""
READ_BYTES: Final = 64 * 1024
"""What aiohttp buffers of a body, or of requests behind the one in hand, before it stops reading: between once and
twice this, and one read of uvloop's (256 KiB at most) more."""


class GaveWayError(ConnectionError):
    """All connections are taken, and this one, which had proved nothing, gave way to another."""


def is_fresh(connection: RequestHandler) -> bool:
    """Nothing was asked on it yet."""
    return connection._request_count == 0  # aiohttp's own; there is no other way to know


def prove(request: web.BaseRequest) -> None:
    """Let the connection of a request stay however many come: it carried what only an honest client has."""
    connection = request.protocol
    if isinstance(connection, Connection) and not connection.is_proven:
        connection.is_proven = True
        connection.served_by.unproven.pop(connection, None)


class Connection(RequestHandler):
    """One connection. Times are the loop's."""

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
        """Since when a part of a head waits for the rest."""
        self._head_bytes = 0
        self._last_body: StreamReader = EMPTY_PAYLOAD
        """Of the newest request."""
        self._awaits_body = False
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
        count = self._request_count
        super().data_received(data)
        if count != self._request_count:
            self._last_body = self._messages[-1][1]
            self._awaits_body = not self._last_body.is_eof()
            # One request and nothing else, as nearly always, spares a call of the parser.
            if self._awaits_body or data.find(b"\r\n\r\n") + 4 + self._last_body.total_bytes != len(data):
                self._go_on()
        elif self._awaits_body and self._last_body.is_eof():
            self._awaits_body = False
            self._go_on()
        waiter = self._waiter
        if waiter is None or waiter.done():
            self._head_at = None
            return
        if self._head_at is None:
            self._head_at, self._head_bytes = self._loop.time(), 0
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._end(400, "malformed_request")

    def _go_on(self) -> None:
        """Parse what lies behind a request in the same bytes.

        The parser stops behind each: when it meets what is not HTTP, it forgets all that it found in those bytes.
        """
        while self._parser is not None and not self._awaits_body:
            is_fault = bool(self._messages) and isinstance(self._messages[-1][0], _ErrInfo)
            if is_fault or len(self._messages) >= self._max_msg_queue_size:
                return  # aiohttp goes on from here when some are handled
            count = self._request_count
            self._parser.message_consumed()
            super().data_received(b"")
            if count == self._request_count:
                return
            self._last_body = self._messages[-1][1]
            self._awaits_body = not self._last_body.is_eof()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep a connection that its client has shut down for writing until what it asked is answered."""
        waiter = self._waiter
        is_idle = waiter is not None and not waiter.done()
        if is_idle or self._awaits_body:
            return False
        if self._messages:
            self._request_handler = self._handle_to_the_end
        else:
            self._close = True  # once the request in hand is answered
        return True

    async def _handle_to_the_end(self, request: web.BaseRequest) -> web.StreamResponse:
        self._close = not self._messages
        return await self.served_by.request_handler(request)

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

    def fetch(self, transport: asyncio.Transport, now: float, head_s: float) -> None:
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
        suppressed = self.served_by.throttle.suppressed(code)
        if suppressed is not None:
            if status >= 500:
                self.served_by.log.error(code, exc_info=exc, suppressed=suppressed)
            else:
                self.served_by.log.debug(code, peer=request.remote, reason=type(exc).__name__, suppressed=suppressed)
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

"""The bodies in memory, and how many bytes they may have: half of the limit while on their way, half while waiting.

Who sends a body slowly has proved nothing yet, so such bodies never take the room of those that are signed and wait
for Redis, and when their half is full, the one that has been on its way for longest gives way (503 `overloaded`) to the
newest: an honest sender's takes milliseconds. Only bytes that came count, not those that a head declares, since
declaring costs nothing. A body that came whole with its head, as nearly all do, waits for nothing.
"""

import asyncio

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import PayloadEncodingError

from ..shared.http_connection import GaveWayError
from . import metrics
from .refusal import Refusal, unavailable


class _Arrival:
    """A body on its way."""

    __slots__ = ("body", "deadline", "has_yielded")

    def __init__(self, deadline: asyncio.Timeout) -> None:
        self.deadline = deadline
        self.body = bytearray()  # no list of chunks: of two bytes each, it would take twenty times their size
        self.has_yielded = False

    def give_up(self) -> None:
        """Wait no longer. A deadline that has just passed ends it anyway, and can't be moved any more."""
        if not self.deadline.expired():
            self.deadline.reschedule(0)


class Bodies:
    """Reads bodies of at most `max_bytes`, each within `timeout_s`; all together at most `inflight_bytes`."""

    def __init__(self, max_bytes: int, inflight_bytes: int, timeout_s: float) -> None:
        self.max_bytes = max_bytes
        self._half_bytes = inflight_bytes // 2
        self._timeout_s = timeout_s
        self._arrivals: dict[_Arrival, None] = {}
        """Oldest first."""
        self._arriving_bytes = 0
        self._waiting_bytes = 0
        self._is_closed = False
        metrics.INFLIGHT.labels("arriving").set_function(lambda: self._arriving_bytes)
        metrics.INFLIGHT.labels("waiting").set_function(lambda: self._waiting_bytes)

    def close(self) -> None:
        """Wait for no body any more: those on their way are refused as `draining`, now."""
        self._is_closed = True
        for arrival in self._arrivals:
            arrival.give_up()

    def wait(self, size: int) -> None:
        """Let a verified body of `size` bytes wait for Redis; call `leave` afterwards. Raises Refusal."""
        if self._waiting_bytes + size > self._half_bytes:
            raise unavailable("overloaded")
        self._waiting_bytes += size

    def leave(self, size: int) -> None:
        """A body waits no longer."""
        self._waiting_bytes -= size

    async def read(self, request: web.BaseRequest) -> bytes:
        """The body of a request. Raises Refusal."""
        content = request.content
        if content.is_eof():  # all of it came with the head, as nearly always
            body = content.read_nowait()
            if len(body) > self.max_bytes:
                raise Refusal(413, "body_too_large", close=True)
            return body
        if self._is_closed:
            raise unavailable("draining", close=True)
        if request.headers.get("Expect", "").lower() == "100-continue":
            await _continue(request)
        try:
            return await self._arrive(content)
        except (web.RequestPayloadError, PayloadEncodingError):
            raise Refusal(400, "malformed_request", close=True) from None
        except GaveWayError as error:
            raise unavailable("overloaded", close=True) from error
        except OSError as error:  # nobody is left to see the answer; it is counted
            raise Refusal(400, "disconnected", close=True) from error

    async def _arrive(self, content: StreamReader) -> bytes:
        deadline = asyncio.timeout(self._timeout_s)
        arrival = _Arrival(deadline)
        try:
            async with deadline:
                self._arrivals[arrival] = None
                try:
                    while chunk := await content.readany():
                        self._grow(arrival, chunk)
                    if arrival.has_yielded:  # by its own last chunk
                        raise TimeoutError
                finally:
                    self._forget(arrival)
        except TimeoutError:
            if self._is_closed:
                raise unavailable("draining", close=True) from None
            if arrival.has_yielded:
                raise unavailable("overloaded", close=True) from None
            raise Refusal(408, "body_timeout", close=True) from None
        return bytes(arrival.body)

    def _grow(self, arrival: _Arrival, chunk: bytes) -> None:
        if arrival.has_yielded:
            raise TimeoutError
        arrival.body += chunk
        self._arriving_bytes += len(chunk)
        if len(arrival.body) > self.max_bytes:
            raise Refusal(413, "body_too_large", close=True)
        while self._arriving_bytes > self._half_bytes:
            oldest = next(iter(self._arrivals))
            self._forget(oldest)
            oldest.body.clear()
            oldest.has_yielded = True
            oldest.give_up()

    def _forget(self, arrival: _Arrival) -> None:
        if arrival in self._arrivals:
            del self._arrivals[arrival]
            self._arriving_bytes -= len(arrival.body)


async def _continue(request: web.BaseRequest) -> None:
    """Ask for the body; older curls wait a second for this. What is to be refused by its head has been by now."""
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # the answer itself has yet to begin

"""Reads bodies and bounds their memory: half of the limit for arriving bodies, half for those that wait for Redis.

An arriving body is not verified yet, so arriving bodies never take the memory of verified ones that wait for Redis.
When their half is full, the oldest arriving body gives way (503 `overloaded`) to the newest: an honest sender's takes
milliseconds. Only received bytes count, not the declared length, since declaring costs nothing. A body that arrives
whole with its head, as nearly all do, is read at once.
"""

import asyncio

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import PayloadEncodingError

from ..shared.http_connection import GaveWayError
from . import metrics
from .refusal import Refusal, unavailable


class _Arrival:
    """A body that is still arriving."""

    __slots__ = ("body", "deadline", "has_yielded")

    def __init__(self, deadline: asyncio.Timeout) -> None:
        self.deadline = deadline
        self.body = bytearray()  # not a list of chunks: chunks of two bytes would take twenty times their size
        self.has_yielded = False

    def give_up(self) -> None:
        """Stop waiting now. A deadline that has expired ends it anyway, and can't be rescheduled."""
        if not self.deadline.expired():
            self.deadline.reschedule(0)


class Bodies:
    """Reads bodies: each of at most `max_bytes` and within `timeout_s`, all together at most `inflight_bytes`."""

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
        """Stop reading: bodies that are still arriving are refused as `draining` now."""
        self._is_closed = True
        for arrival in self._arrivals:
            arrival.give_up()

    def wait(self, size: int) -> None:
        """Count a verified body of `size` bytes as waiting for Redis; call `leave` afterwards. Raises Refusal."""
        if self._waiting_bytes + size > self._half_bytes:
            raise unavailable("overloaded")
        self._waiting_bytes += size

    def leave(self, size: int) -> None:
        """Stop counting a body of `size` bytes as waiting."""
        self._waiting_bytes -= size

    async def read(self, request: web.BaseRequest) -> bytes:
        """The body of a request. Raises Refusal."""
        content = request.content
        if content.is_eof():  # the whole body arrived with the head, as nearly always
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
        except OSError as error:  # the sender has disconnected; the answer is only counted
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
                    if arrival.has_yielded:  # its own last chunk exceeded the limit
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
    """Request the body; older curls wait a second for this. Refusals by head come before."""
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # the response has not started

"""HTTP responses: JSON in aiohttp's Response, or prebuilt where the response is always the same.

Building a response head takes as long as verifying a signature, and nearly all responses are one of two. Those two are
built once a second, because their `Date` changes (RFC 9110, 6.6.1).
"""

from collections.abc import Mapping
from email.utils import formatdate
from typing import Final, Literal, NamedTuple

from aiohttp import HttpVersion11, web
from aiohttp.http import SERVER_SOFTWARE
from multidict import CIMultiDict

_JSON: Final = (("Content-Type", "application/json"),)


def answer(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON response."""
    response = web.Response(status=status, body=body, headers=CIMultiDict(_JSON))
    if headers:
        response.headers.update(headers)
    return response


class _Raw(web.StreamResponse):
    """A whole response as bytes, for a connection that stays open. Holds no state of a request, so all share one."""

    _keep_alive = True

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        self._raw = raw

    async def prepare(self, request: web.BaseRequest) -> None:
        await request.writer.write(self._raw)
        await request.writer.drain()  # backpressure: a client that reads nothing must not fill our memory

    async def write_eof(self, data: bytes = b"") -> None:
        pass  # `prepare` wrote everything


class PrebuiltResponse:
    """A 200 whose bytes are reused for every request."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._second = 0
        self._raw = _Raw(b"")

    def to(self, request: web.BaseRequest, now_s: float, keep_open: bool) -> web.StreamResponse:
        """The response to one request. `now_s` is in Unix seconds; without `keep_open` it closes the connection."""
        if not keep_open or not request.keep_alive or request.version != HttpVersion11:
            response = answer(200, self._body)
            if not keep_open:
                response.force_close()
            return response
        if self._second != int(now_s):
            self._second = int(now_s)
            self._raw = _Raw(self._bytes_at(self._second))
        return self._raw

    def _bytes_at(self, second: int) -> bytes:
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(self._body)}\r\nDate: {formatdate(second, usegmt=True)}\r\n"
            f"Server: {SERVER_SOFTWARE}\r\n\r\n"
        )
        return head.encode() + self._body


class Stored(NamedTuple):
    """The answer about a stored event."""

    code: Literal["accepted", "duplicate"]
    response: PrebuiltResponse


def stored_answers(filed_as: str = "") -> dict[bool, Stored]:
    """Those to a new event and to a duplicate. `filed_as`: its type in storage, where it did not get its own."""
    more = f', "type": "{filed_as}"' if filed_as else ""
    codes: tuple[Literal["accepted"], Literal["duplicate"]] = "accepted", "duplicate"
    return {
        code == "accepted": Stored(code, PrebuiltResponse(f'{{"status": "{code}"{more}}}'.encode())) for code in codes
    }

"""What a request is answered with: JSON, in aiohttp's Response, or made beforehand where it is always the same.

To put a head together takes as long as to verify a signature, and nearly all answers are one of two. Those are made
once a second, for the sake of their `Date` (RFC 9110, 6.6.1).
"""

from collections.abc import Mapping
from email.utils import formatdate
from typing import Final

from aiohttp import HttpVersion11, web
from aiohttp.http import SERVER_SOFTWARE
from multidict import CIMultiDict

_JSON: Final = (("Content-Type", "application/json"),)


def answer(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer of JSON."""
    response = web.Response(status=status, body=body, headers=CIMultiDict(_JSON))
    if headers:
        response.headers.update(headers)
    return response


class _Raw(web.StreamResponse):
    """Bytes that are a whole answer on a connection that stays open. Holds nothing of a request: one serves all."""

    _keep_alive = True

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        self._raw = raw

    async def prepare(self, request: web.BaseRequest) -> None:
        await request.writer.write(self._raw)
        await request.writer.drain()  # who reads no answers must not have them heaped up here

    async def write_eof(self, data: bytes = b"") -> None:
        pass  # all of it was written


class PrebuiltResponse:
    """One answer 200 that is given again and again."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._second = 0
        self._raw = _Raw(b"")

    def to(self, request: web.BaseRequest, now_s: float, stays: bool) -> web.StreamResponse:
        """The answer to one request, at a time in Unix seconds; `stays` says that the connection may."""
        if not stays or not request.keep_alive or request.version != HttpVersion11:
            response = answer(200, self._body)
            if not stays:
                response.force_close()
            return response
        if self._second != int(now_s):
            self._second = int(now_s)
            self._raw = _Raw(self._made(self._second))
        return self._raw

    def _made(self, second: int) -> bytes:
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(self._body)}\r\nDate: {formatdate(second, usegmt=True)}\r\n"
            f"Server: {SERVER_SOFTWARE}\r\n\r\n"
        )
        return head.encode() + self._body

"""A prebuilt response has the same bytes as aiohttp's own."""

import asyncio
import re
import socket
from email.utils import formatdate

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer, make_mocked_request

from hookbus.ingest.answer import PrebuiltResponse, _Raw, answer
from tests.ingest.serving import Ingest, hang_up, head, signed
from tests.wait import until

BODY = b'{"status": "accepted"}'


async def raw(ingest: Ingest, *lines: str, version: str = "1.1") -> bytes:
    request = signed()
    start = head(request, f"Content-Length: {len(request.body)}", *lines)
    return await ingest.raw(start.replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1) + request.body)


def names(answer: bytes) -> list[bytes]:
    """Status line and header names in lower case."""
    first, *lines = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")
    return [first, *sorted(line.partition(b":")[0].lower() for line in lines)]


async def test_the_response_to_a_stored_event_has_a_complete_head(ingest: Ingest):
    usual, closing = await raw(ingest), await raw(ingest, "Connection: close")
    assert usual.endswith(BODY)
    assert closing.endswith(BODY)
    assert [name for name in names(closing) if name != b"connection"] == names(usual)
    assert re.search(rb"\r\nContent-Length: %d\r\n" % len(BODY), usual)
    assert re.search(rb"\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n", usual)


async def test_the_connection_header_answers_that_of_the_request_and_its_http_version(ingest: Ingest):
    assert b"\r\nConnection: close\r\n" in await raw(ingest, "Connection: close")
    assert b"\r\nConnection: keep-alive\r\n" in await raw(ingest, "Connection: keep-alive", version="1.0")
    assert b"\r\nConnection:" not in await raw(ingest, version="1.0")


async def test_a_connection_serves_one_request_after_the_other(ingest: Ingest):
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(connector=connector) as session:
        for _ in range(3):
            request = signed()
            async with session.post(ingest.url, data=request.body, headers=request.headers) as response:
                assert await response.read() == BODY
    assert len(connector._conns) <= 1


REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


def set_buffer(sock: socket.socket, which: int, size: int) -> None:
    sock.setsockopt(socket.SOL_SOCKET, which, size)


async def test_g8_unread_answers_are_bounded_and_none_is_lost():
    """The kernel and one buffer hold some answers; then no more requests are processed until the client reads."""
    prebuilt, protocols, count = PrebuiltResponse(BODY), [], 2_000
    loop, answers = asyncio.get_running_loop(), bytearray()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        set_buffer(request.transport.get_extra_info("socket"), socket.SO_SNDBUF, 4096)
        protocols.append(request.protocol)
        return prebuilt.to(request, 1_000, True)

    async with RawTestServer(handle) as server:
        with socket.socket() as silent:
            set_buffer(silent, socket.SO_RCVBUF, 4096)
            silent.setblocking(False)
            await loop.sock_connect(silent, ("127.0.0.1", server.port))
            sending = asyncio.create_task(loop.sock_sendall(silent, REQUEST * count))
            await until(lambda: protocols and protocols[0]._paused)
            processed = protocols.count(protocols[0])
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            for _ in range(100):  # other requests are served; this one could be processed meanwhile
                writer.write(REQUEST)
                assert await reader.readuntil(BODY)
            await hang_up(writer)
            assert protocols.count(protocols[0]) <= processed
            set_buffer(silent, socket.SO_RCVBUF, 1 << 20)
            while answers.count(BODY) < count:
                answers += await loop.sock_recv(silent, 65536)
            await sending


@pytest.mark.parametrize(("keep_open", "is_prebuilt"), [(True, True), (False, False)])
def test_only_a_connection_that_stays_open_gets_the_prebuilt_response(keep_open, is_prebuilt):
    request = make_mocked_request("POST", "/")
    response = PrebuiltResponse(BODY).to(request, 1_000.5, keep_open)
    assert isinstance(response, _Raw) == is_prebuilt
    assert response.keep_alive is (None if isinstance(response, web.Response) and keep_open else keep_open)


def test_the_date_of_a_prebuilt_response_is_that_of_the_second():
    prebuilt, request = PrebuiltResponse(BODY), make_mocked_request("POST", "/")
    first, same, following = (prebuilt.to(request, now_s, True)._raw for now_s in (1_000.1, 1_000.9, 1_001.0))
    assert first == same != following
    assert formatdate(1_001, usegmt=True).encode() in following


def test_other_answers_are_json():
    response = answer(503, b"{}", {"Retry-After": "1"})
    assert (response.status, response.content_type, response.headers["Retry-After"]) == (503, "application/json", "1")

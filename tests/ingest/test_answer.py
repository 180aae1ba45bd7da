"""An answer made beforehand is, byte for byte, what aiohttp would have made."""

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
    return await ingest.raw(start.replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1) + request.body, patience_s=5)


def names(answered: bytes) -> list[bytes]:
    """Status line and header names in lower case."""
    first, *lines = answered.partition(b"\r\n\r\n")[0].split(b"\r\n")
    return [first, *sorted(line.partition(b":")[0].lower() for line in lines)]


async def test_a_stored_event_is_answered_with_all_that_http_asks_of_a_head(ingest: Ingest):
    usual, closing = await raw(ingest), await raw(ingest, "Connection: close")
    assert usual.endswith(BODY)
    assert closing.endswith(BODY)
    assert [name for name in names(closing) if name != b"connection"] == names(usual)
    assert re.search(rb"\r\nContent-Length: %d\r\n" % len(BODY), usual)
    assert re.search(rb"\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n", usual)


async def test_who_wants_to_close_or_speaks_http_1_0_is_told_so(ingest: Ingest):
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


def set_buffer(one: socket.socket, which: int, size: int) -> None:
    one.setsockopt(socket.SOL_SOCKET, which, size)


async def test_g8_answers_that_nobody_reads_do_not_heap_up_and_none_is_left_out():
    """The kernel takes some, and one buffer; then no more requests are looked at, until somebody reads."""
    standing, asked, many = PrebuiltResponse(BODY), [], 2_000
    loop, answers = asyncio.get_running_loop(), bytearray()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        set_buffer(request.transport.get_extra_info("socket"), socket.SO_SNDBUF, 4096)
        asked.append(request.protocol)
        return standing.to(request, 1_000, True)

    async with RawTestServer(handle) as server:
        with socket.socket() as deaf:
            set_buffer(deaf, socket.SO_RCVBUF, 4096)
            deaf.setblocking(False)
            await loop.sock_connect(deaf, ("127.0.0.1", server.port))
            sending = asyncio.create_task(loop.sock_sendall(deaf, REQUEST * many))
            await until(lambda: asked and asked[0]._paused)
            looked_at = asked.count(asked[0])
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            for _ in range(100):  # others are served, and meanwhile it could be, too
                writer.write(REQUEST)
                assert await reader.readuntil(BODY)
            await hang_up(writer)
            assert asked.count(asked[0]) <= looked_at
            set_buffer(deaf, socket.SO_RCVBUF, 1 << 20)
            while answers.count(BODY) < many:
                answers += await loop.sock_recv(deaf, 65536)
            await sending


@pytest.mark.parametrize(("stays", "is_made_beforehand"), [(True, True), (False, False)])
def test_only_a_connection_that_stays_gets_it(stays, is_made_beforehand):
    request = make_mocked_request("POST", "/")
    response = PrebuiltResponse(BODY).to(request, 1_000.5, stays)
    assert isinstance(response, _Raw) == is_made_beforehand
    assert response.keep_alive is (None if isinstance(response, web.Response) and stays else stays)


def test_its_date_is_that_of_the_second():
    standing, request = PrebuiltResponse(BODY), make_mocked_request("POST", "/")
    one, same, next_one = (standing.to(request, now_s, True)._raw for now_s in (1_000.1, 1_000.9, 1_001.0))
    assert one == same != next_one
    assert formatdate(1_001, usegmt=True).encode() in next_one


def test_other_answers_are_json():
    response = answer(503, b"{}", {"Retry-After": "1"})
    assert (response.status, response.content_type, response.headers["Retry-After"]) == (503, "application/json", "1")

"""Clients that send incomplete or invalid requests, or never read a response."""

import asyncio
import contextlib
import socket

import pytest
from structlog.testing import capture_logs

from hookbus.shared import http_connection, http_server
from tests.gone import PEER_GONE
from tests.shared.gated_server import GET, gated_server, hang_up
from tests.wait import until

pytestmark = pytest.mark.both_loops


@pytest.fixture(autouse=True)
def frequent_sweeps(monkeypatch):
    monkeypatch.setattr(http_server, "SWEEP_S", 0.02)


async def test_g8_half_a_head_gets_408_in_time():
    async with gated_server(head_s=0.1) as running:
        reader, writer = await running.connect(GET[:-4])
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert answer.endswith(b'{"error":"header_timeout"}')
        assert running.counted == ["header_timeout"]
        await hang_up(writer)


async def test_g8_trickling_bytes_do_not_extend_the_timeout():
    async with gated_server(head_s=0.2) as running:
        reader, writer = await running.connect()
        answer = asyncio.ensure_future(reader.read())
        with contextlib.suppress(*PEER_GONE):
            for byte in GET * 100:
                if answer.done():
                    break
                writer.write(bytes([byte]) if byte not in b"\r\n" else b"x")
                await asyncio.sleep(0.02)
        assert (await answer).startswith(b"HTTP/1.1 408 ")
        await hang_up(writer)


async def test_g8_a_connection_that_sends_nothing_is_closed_silently():
    async with gated_server(head_s=0.1) as running:
        reader, writer = await running.connect()
        assert await reader.read() == b""
        assert running.counted == ["header_timeout"]
        await hang_up(writer)


async def test_g8_half_a_head_after_an_answered_request_gets_408_too():
    async with gated_server(head_s=0.1) as running:
        reader, writer = await running.connect(GET)
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
        writer.write(GET[:-4])
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        await hang_up(writer)


async def test_g8_the_size_of_a_head_in_pieces_is_bounded():
    async with gated_server() as running:
        _, writer = await running.connect(GET[:-2])
        for number in range(6):  # each header, and their number, is within the limits
            writer.write(b"X-%d: %b\r\n" % (number, b"y" * 7000))
            await writer.drain()
        await until(lambda: running.counted)
        assert running.counted == ["malformed_request"]
        await hang_up(writer)


async def test_g8_a_client_that_does_not_read_responses_is_disconnected(monkeypatch):
    monkeypatch.setattr(http_connection, "STALL_S", 0.1)
    async with gated_server() as running:
        running.size = 1024 * 1024
        with socket.socket() as greedy:
            greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            greedy.setblocking(False)
            await asyncio.get_running_loop().sock_connect(greedy, ("127.0.0.1", running.port))
            await asyncio.get_running_loop().sock_sendall(greedy, GET * 20)
            await until(lambda: running.server.connections)
            await until(lambda: not running.server.connections)


async def test_g8_requests_that_are_not_http_log_no_errors_and_internal_errors_are_logged_in_part():
    with capture_logs() as logs:
        async with gated_server() as running:
            for data, status in (
                (b"\x16\x03\x01\x02\x00\r\n\r\n", b"400"),
                (b"GET /fault HTTP/1.1\r\nHost: x\r\n\r\n", b"500"),
            ):
                for _ in range(30):
                    reader, writer = await running.connect(data)
                    assert (await reader.read())[9:12] == status
                    await hang_up(writer)
    lines = [(line["event"], line["log_level"]) for line in logs]
    assert set(lines) == {("malformed_request", "debug"), ("internal_error", "error")}
    assert all(lines.count(line) <= 15 for line in set(lines))
    assert running.counted == ["malformed_request"] * 30 + ["internal_error"] * 30

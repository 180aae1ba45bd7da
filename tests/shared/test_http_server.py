"""Connections that want no answer, or too many, or never read one."""

import asyncio
import contextlib
import socket

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from shared import http_server
from shared.http_server import GaveWayError, Limits, Server, prove
from tests.wait import until

pytestmark = pytest.mark.both_loops

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
PROOF = b"GET /proof HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(autouse=True)
def frequent_sweeps(monkeypatch):
    monkeypatch.setattr(http_server, "SWEEP_S", 0.02)


class Served:
    """A server whose answers wait for `gate`. `counted` is what it told."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.counted: list[str] = []
        self.size = 1
        self.server: Server
        self.port = 0

    async def answer(self, request: web.BaseRequest) -> web.Response:
        if request.path == "/fault":
            raise RuntimeError("a fault of ours")
        if request.path == "/proof":
            prove(request)
        try:
            await request.read()
        except GaveWayError:
            self.counted.append("gave way")
        await self.gate.wait()
        return web.Response(text="x" * self.size + "}")

    async def connect(self, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        return reader, writer


@contextlib.asynccontextmanager
async def served(**limits):
    running = Served()
    running.server = Server(running.answer, Limits(**limits), running.counted.append)
    runner = web.ServerRunner(running.server, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    running.port = runner.addresses[0][1]
    try:
        yield running
    finally:
        await runner.cleanup()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_g8_half_a_head_is_answered_408_in_time():
    async with served(head_s=0.1) as running:
        reader, writer = await running.connect(GET[:-4])
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert answer.endswith(b'{"error":"header_timeout"}')
        assert running.counted == ["header_timeout"]
        await hang_up(writer)


async def test_g8_bytes_that_trickle_in_win_no_time():
    async with served(head_s=0.2) as running:
        reader, writer = await running.connect()
        answer = asyncio.ensure_future(reader.read())
        for byte in GET * 100:
            if answer.done():
                break
            writer.write(bytes([byte]) if byte not in b"\r\n" else b"x")
            await asyncio.sleep(0.02)
        assert (await answer).startswith(b"HTTP/1.1 408 ")
        await hang_up(writer)


async def test_g8_a_connection_that_sends_nothing_is_closed_silently():
    async with served(head_s=0.1) as running:
        reader, writer = await running.connect()
        assert await reader.read() == b""
        assert running.counted == ["header_timeout"]
        await hang_up(writer)


async def test_g8_half_a_head_behind_an_answered_request_is_answered_408_too():
    async with served(head_s=0.1) as running:
        reader, writer = await running.connect(GET)
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
        writer.write(GET[:-4])
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        await hang_up(writer)


async def test_an_idle_connection_stays_after_its_first_request_and_so_does_one_whose_answer_takes_long():
    async with served(head_s=0.1) as running:
        idle, idle_writer = await running.connect(GET)
        await idle.readuntil(b"}")
        running.gate.clear()
        slow, slow_writer = await running.connect(GET)
        silent, silent_writer = await running.connect()
        assert await silent.read() == b""  # opened last, so the others have been looked at, too
        running.gate.set()
        assert (await slow.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
        idle_writer.write(GET)
        assert (await idle.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
        for writer in (idle_writer, slow_writer, silent_writer):
            await hang_up(writer)


async def test_g8_a_head_in_pieces_is_bounded():
    async with served() as running:
        _, writer = await running.connect(GET[:-2])
        for number in range(6):  # each is fine by itself, and so is their number
            writer.write(b"X-%d: %b\r\n" % (number, b"y" * 7000))
            await writer.drain()
        await until(lambda: running.counted)
        assert running.counted == ["malformed_request"]
        await hang_up(writer)


async def test_g8_the_oldest_connection_that_has_proved_nothing_gives_way_with_503():
    body = b"POST" + GET[3:-2] + b"Content-Length: 9\r\n\r\n"
    async with served(connections=3, head_s=60) as running:
        slow = [await running.connect(part) for part in (b"", GET[:-4], body)]
        await until(lambda: running.server.is_full)
        followers = []
        for reader, _ in slow:
            followers.append(await running.connect(PROOF))
            assert (await followers[-1][0].readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"Retry-After: 1\r\n" in answer
            assert answer.endswith(b'{"error":"overloaded"}')
        assert running.counted == ["overloaded", "overloaded", "gave way"], "a body's end is for its handler to count"
        for _, writer in slow + followers:
            await hang_up(writer)


async def test_g8_what_proved_itself_stays_however_long_it_is_idle_and_the_next_one_gets_503():
    async with served(connections=3, head_s=60) as running:
        proven = [await running.connect(PROOF) for _ in range(3)]
        for reader, _ in proven:
            await reader.readuntil(b"}")
        reader, writer = await running.connect()
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert answer.endswith(b'{"error":"overloaded"}')
        assert running.counted == ["overloaded"]
        for idle, idle_writer in proven:
            idle_writer.write(GET)
            assert (await idle.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
            await hang_up(idle_writer)
        await hang_up(writer)


async def test_g8_who_is_full_of_answers_that_nobody_reads_gives_way_at_once():
    async with served(connections=1) as running:
        running.size = 4 * 1024 * 1024
        _, greedy_writer = await running.connect(GET)
        await until(lambda: any(one.writing_paused for one in running.server.connections))
        running.size = 1
        reader, writer = await running.connect(GET)
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
        assert len(running.server.connections) == 1
        for other in (greedy_writer, writer):
            await hang_up(other)


async def test_g8_who_does_not_read_answers_is_cut_off(monkeypatch):
    monkeypatch.setattr(http_server, "STALL_S", 0.1)
    async with served() as running:
        running.size = 1024 * 1024
        with socket.socket() as greedy:
            greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            greedy.setblocking(False)
            await asyncio.get_running_loop().sock_connect(greedy, ("127.0.0.1", running.port))
            await asyncio.get_running_loop().sock_sendall(greedy, GET * 20)
            await until(lambda: running.server.connections)
            await until(lambda: not running.server.connections)


async def test_g8_what_is_not_http_is_no_error_and_a_fault_of_ours_is_one_but_not_endlessly():
    with capture_logs() as logs:
        async with served() as running:
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

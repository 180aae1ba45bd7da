"""Limits on connections, and idle connections."""

import pytest

from hookbus.shared import http_server
from tests.shared.gated_server import GET, PROOF, gated_server, hang_up
from tests.wait import until

pytestmark = pytest.mark.both_loops


@pytest.fixture(autouse=True)
def frequent_sweeps(monkeypatch):
    monkeypatch.setattr(http_server, "SWEEP_S", 0.02)


async def test_an_idle_connection_stays_open_after_its_first_request_or_while_its_response_is_pending():
    async with gated_server(head_s=0.1) as running:
        idle, idle_writer = await running.connect(GET)
        await idle.readuntil(b"}")
        running.gate.clear()
        slow, slow_writer = await running.connect(GET)
        silent, silent_writer = await running.connect()
        assert await silent.read() == b""  # opened last, so the others have been checked too
        running.gate.set()
        assert (await slow.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
        idle_writer.write(GET)
        assert (await idle.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
        for writer in (idle_writer, slow_writer, silent_writer):
            await hang_up(writer)


async def test_g8_the_oldest_unproven_connection_gives_way_with_503():
    body = b"POST" + GET[3:-2] + b"Content-Length: 9\r\n\r\n"
    async with gated_server(connections=3, head_s=60) as running:
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
        assert running.counted == ["overloaded", "overloaded", "gave way"], "the handler counts the end of its body"
        for _, writer in slow + followers:
            await hang_up(writer)


async def test_g8_proven_connections_stay_open_while_idle_and_the_next_one_gets_503():
    async with gated_server(connections=3, head_s=60) as running:
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


async def test_g8_a_connection_with_unread_responses_gives_way_at_once():
    async with gated_server(connections=1) as running:
        running.size = 4 * 1024 * 1024
        _, greedy_writer = await running.connect(GET)
        await until(lambda: any(connection.writing_paused for connection in running.server.connections))
        running.size = 1
        reader, writer = await running.connect(GET)
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
        await until(lambda: len(running.server.connections) == 1)  # since Python 3.12 one turn of the loop later
        for other in (greedy_writer, writer):
            await hang_up(other)

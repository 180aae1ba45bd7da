"""Too many connections, and idle ones."""

import pytest

from hookbus.shared import http_server
from tests.shared.served import GET, PROOF, hang_up, served
from tests.wait import until

pytestmark = pytest.mark.both_loops


@pytest.fixture(autouse=True)
def frequent_sweeps(monkeypatch):
    monkeypatch.setattr(http_server, "SWEEP_S", 0.02)


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
        await until(lambda: len(running.server.connections) == 1)  # Python 3.12 on: a turn of the loop later
        for other in (greedy_writer, writer):
            await hang_up(other)

"""G3, G8: the memory of bodies is bounded, and slow ones do not take that of others."""

import asyncio
import contextlib
import os
import signal

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol

from hookbus.ingest.body import Bodies
from hookbus.ingest.refusal import Refusal
from hookbus.shared import posting
from tests.gone import PEER_GONE
from tests.ingest.serving import KEY, Ingest, hang_up, head, serving
from tests.wait import until

SMALL = {"max_body_bytes": 10_000, "max_inflight_bytes": 40_000}


def sized(size: int) -> posting.Request:
    return posting.signed_request(KEY, b" " * size)


async def start_request(
    ingest: Ingest, request: posting.Request, size: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a request's head and `size` bytes of its body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
    writer.write(head(request, f"Content-Length: {len(request.body)}"))
    writer.write(request.body[:size])
    await writer.drain()
    return reader, writer


async def inflight(ingest: Ingest, state: str) -> float:
    async with ingest.session.get(f"{ingest.ops}/metrics") as response:
        text = await response.text()
    (line,) = [line for line in text.splitlines() if line.startswith(f'hookbus_ingest_inflight_bytes{{state="{state}"')]
    return float(line.split()[1])


async def until_inflight(ingest: Ingest, state: str, size: int) -> None:
    async def is_reached() -> bool:
        return await inflight(ingest, state) == size

    await until(is_reached)


async def test_g8_when_slow_bodies_fill_their_half_the_oldest_gives_way(redis_url):
    async with serving(redis_url, **SMALL) as ingest:
        request = sized(10_000)
        slow = []
        for number in range(1, 3):
            slow.append(await start_request(ingest, sized(10_000), 9000))
            await until_inflight(ingest, "arriving", number * 9000)
        reader, writer = await start_request(ingest, request, 5000)
        answer = await slow[0][0].read()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After" in answer
        assert answer.endswith(b'{"error":"overloaded"}')
        writer.write(request.body[5000:])
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
        await until_inflight(ingest, "arriving", 9000)
        for _, other in (*slow, (reader, writer)):
            await hang_up(other)
        await until_inflight(ingest, "arriving", 0)


async def test_g8_a_declared_length_takes_no_memory(redis_url):
    async with serving(redis_url, **SMALL) as ingest:
        declared = [await start_request(ingest, sized(10_000), 0) for _ in range(50)]
        assert (await ingest.execute(sized(10_000)))[0] == 200
        assert await inflight(ingest, "arriving") == 0
        for _, writer in declared:
            await hang_up(writer)


async def test_g8_slow_bodies_do_not_keep_out_bodies_that_arrive_whole(redis_url):
    async with serving(redis_url, **SMALL) as ingest:
        slow = [await start_request(ingest, sized(10_000), 9900) for _ in range(2)]
        await until_inflight(ingest, "arriving", 19_800)
        for _ in range(20):
            request = sized(1000)
            answer = await ingest.raw(head(request, "Content-Length: 1000") + request.body)
            assert answer.startswith(b"HTTP/1.1 200 ")
        assert await inflight(ingest, "arriving") == 19_800
        for _, writer in slow:
            await hang_up(writer)


async def test_g3_bodies_that_wait_for_redis_are_bounded_in_bytes(own_server):
    async with serving(own_server.url, **SMALL, enqueue_timeout_s=30) as ingest:
        os.kill(own_server.pid, signal.SIGSTOP)
        try:
            waiting = [asyncio.ensure_future(ingest.execute(sized(9000))) for _ in range(2)]
            await until_inflight(ingest, "waiting", 18_000)
            assert await ingest.execute(sized(2001)) == (503, {"error": "overloaded"})
            waiting.append(asyncio.ensure_future(ingest.execute(sized(2000))))
            await until_inflight(ingest, "waiting", 20_000)
        finally:
            os.kill(own_server.pid, signal.SIGCONT)
        assert [status for status, _ in await asyncio.gather(*waiting)] == [200] * 3
        assert await inflight(ingest, "waiting") == 0


async def test_g8_a_body_in_tiny_pieces_times_out_as_any_other(redis_url, client):
    async with serving(redis_url, **SMALL, body_timeout_s=0.3) as ingest:
        reader, writer = await start_request(ingest, sized(1000), 1)
        answer = asyncio.ensure_future(reader.readline())  # a client that continues to write is reset at the end
        with contextlib.suppress(*PEER_GONE):
            while not answer.done():
                writer.write(b" ")
                await asyncio.sleep(0.02)
        assert (await answer).startswith(b"HTTP/1.1 408 ")
        await hang_up(writer)
    assert await client.execute_command("KEYS", "*stream*") == []


class Arriving:
    """Arriving bodies, fed by hand: at most 10,000 bytes each and 20,000 together."""

    def __init__(self) -> None:
        self.bodies = Bodies(10_000, 40_000, timeout_s=30)
        self._loop = asyncio.get_running_loop()

    def begin(self) -> tuple[StreamReader, "asyncio.Task[bytes]"]:
        protocol = BaseProtocol(self._loop)
        protocol.connection_made(asyncio.Transport())
        content = StreamReader(protocol, 2**16, loop=self._loop)
        return content, self._loop.create_task(self.bodies._arrive(content))

    async def feed(self, content: StreamReader, size: int) -> None:
        before = self.bodies._arriving_bytes
        content.feed_data(b" " * size)
        await until(lambda: self.bodies._arriving_bytes == before + size)


async def test_g8_a_body_that_gives_way_at_its_deadline_affects_no_other():
    arriving = Arriving()
    (first, first_read), (second, second_read), (third, third_read) = [arriving.begin() for _ in range(3)]
    await arriving.feed(first, 9000)
    await arriving.feed(second, 9000)
    third.feed_data(b" " * 2500)  # and it wakes up before the first one does
    next(iter(arriving.bodies._arrivals)).deadline._on_timeout()
    with pytest.raises(Refusal, match="overloaded"):
        await first_read
    next(iter(arriving.bodies._arrivals)).deadline._on_timeout()
    arriving.bodies.close()
    for reading in (second_read, third_read):
        with pytest.raises(Refusal, match="draining"):
            await reading


async def test_g8_a_body_that_gives_way_by_its_own_last_bytes_is_refused_as_overloaded():
    arriving = Arriving()
    (first, first_read), (second, second_read), (third, third_read) = [arriving.begin() for _ in range(3)]
    await arriving.feed(first, 9000)
    await arriving.feed(second, 9000)
    await arriving.feed(third, 1500)
    first.feed_data(b" " * 1000)
    first.feed_eof()
    with pytest.raises(Refusal, match="overloaded"):
        await first_read
    for content, reading in ((second, second_read), (third, third_read)):
        content.feed_eof()
        assert len(await reading) in (9000, 1500)

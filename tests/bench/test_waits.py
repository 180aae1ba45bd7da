"""The time from the sending of an event to its handler."""

import asyncio
import contextlib
import time

import pytest

from tests.bench import pace, waits
from tests.bench.waits import Sender
from tests.programs import Ingest, Worker


async def test_each_event_has_a_wait_within_the_time_of_the_run(redis_url):
    with Ingest(redis_url) as ingest, Worker(redis_url, "tests.bench.stopwatch:app") as worker:
        await ingest.until_healthy()
        await worker.until_working()
        sender = Sender(await pace.http(ingest.port).connect(4), waits.post)
        for count in (1, 20):  # the second list does not contain the events of the first
            began = time.monotonic()
            await pace.steadily(sender.prepared(count), rate=200)
            found_ms = await sender.arrived_ms(worker)
            assert len(found_ms) == count
            assert 0 < min(found_ms) <= max(found_ms) < (time.monotonic() - began) * 1000
        sender.close()


async def closed(writer: asyncio.StreamWriter) -> None:
    """Flush and end the connection; the other side may have reset it."""
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_slow_response_delays_no_other_request():
    """While one connection waits for its response, requests that fall due are sent on the others in time."""
    arrived: list[float] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        arrived.append(time.monotonic())
        await asyncio.sleep(2)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n{}")
        await closed(writer)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    pacer = await pace.http(server.sockets[0].getsockname()[1]).connect(10)
    began = time.monotonic()
    await pace.steadily([lambda: pacer.send(b"one")] * 10, rate=100)
    await pacer.answered()
    pacer.close()
    server.close()
    assert len(arrived) == 10
    assert max(arrived) - began < 1.9


async def test_a_response_other_than_200_is_an_error():
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\n\r\n{}")
        await closed(writer)

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    pacer = await pace.http(server.sockets[0].getsockname()[1]).connect(1)
    pacer.send(b"one")
    with pytest.raises(RuntimeError, match="503"):
        await pacer.answered()
    pacer.close()
    server.close()

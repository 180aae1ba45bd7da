"""The proxy that counts round trips."""

import asyncio

from hookbus.shared.connection import connect
from tests import round_trips
from tests.round_trips import RoundTrips
from tests.wait import until


async def test_commands_one_after_the_other_are_a_round_trip_each_and_a_pipeline_is_one(server, redis_url):
    async with RoundTrips(server.socket) as proxy:
        client = connect(proxy.url, "tests", connections=1)
        await client.execute_command("PING")
        before = proxy.count
        for _ in range(3):
            await client.execute_command("PING")
        assert proxy.count == before + 3
        pipeline = client.pipeline(transaction=False)
        for _ in range(100):
            pipeline.execute_command("PING")
        assert await pipeline.execute() == [b"PONG"] * 100
        assert proxy.count == before + 4
        await client.aclose()


async def test_a_pipeline_whose_first_commands_are_answered_before_the_last_arrive_is_one(
    server, redis_url, monkeypatch
):
    """As on a busy machine, where Redis is quicker than the proxy."""
    read = asyncio.StreamReader.read

    async def read_later(self: asyncio.StreamReader, size: int) -> bytes:
        await asyncio.sleep(0.002)
        return await read(self, size)

    monkeypatch.setattr(round_trips, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(asyncio.StreamReader, "read", read_later)
    async with RoundTrips(server.socket) as proxy:
        client = connect(proxy.url, "tests", connections=1)
        await client.execute_command("PING")
        before = proxy.count
        pipeline = client.pipeline(transaction=False)
        for _ in range(60):
            pipeline.execute_command("ECHO", "x" * 81)  # 102 bytes: none of them ends with a part
        assert await pipeline.execute() == [b"x" * 81] * 60
        assert proxy.count == before + 1
        await client.aclose()


async def test_a_program_that_ends_its_connection_ends_that_to_the_server(server, redis_url, client):
    async def is_gone() -> bool:
        return b"name=through" not in await client.execute_command("CLIENT", "LIST")

    async with RoundTrips(server.socket) as proxy:
        through = connect(proxy.url, "through", connections=1)
        await through.execute_command("PING")
        assert not await is_gone()
        await through.aclose()
        await until(is_gone)

import asyncio

import pytest
import uvloop

from hookbus.shared.connection import FAULTS, connect, parse_info
from hookbus.shared.valkey import Valkey
from tests.chaos.harness.proxy import FaultProxy
from tests.programs import free_port

pytestmark = pytest.mark.both_loops


async def test_replies_are_returned_as_on_the_wire(client):
    await client.execute_command("XADD", "s", "1-1", "a", "b")
    assert await client.execute_command("XRANGE", "s", "-", "+") == [[b"1-1", [b"a", b"b"]]]


def test_info_is_parsed_without_its_headings():
    assert parse_info(b"# Server\r\nredis_version:7.2.4\r\n\r\nos:a:b\r\n") == {"redis_version": "7.2.4", "os": "a:b"}


async def test_a_cancellation_is_never_swallowed_at_any_moment(redis_url):
    for is_first, max_turns in ((True, 30), (False, 8)):
        for turns in range(max_turns):
            client = connect(redis_url, "tests", connections=1)
            if not is_first:
                await client.execute_command("PING")

            async def ping_for_ever(client=client):
                while True:
                    await client.execute_command("PING")

            task = asyncio.create_task(ping_for_ever())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=2)
            await client.execute_command("PING")  # the connection is still in step
            await client.aclose()
            assert done, f"after {turns} turns of the loop"


@pytest.mark.parametrize("url", ["redis://h", "rediss://h", "unix:///s"])
def test_every_kind_of_connection_is_cancellable(url):
    pool = connect(url, "tests").connection_pool
    assert pool.connection_class.__name__ in ("_Tcp", "_Tls", "_Unix")


def test_a_closed_connection_raises_a_network_error_in_uvloop_too(tmp_path):
    """uvloop itself raises RuntimeError on a write to a connection that was reset."""

    async def ping_while_connections_are_cut() -> int:
        proxy = await FaultProxy(port).start()
        client = connect(f"redis://127.0.0.1:{proxy.port}/0", "tests")
        faults = 0
        for _ in range(100):
            pings = [asyncio.ensure_future(client.execute_command("PING")) for _ in range(5)]
            await asyncio.sleep(0)
            proxy.cut()
            for result in await asyncio.gather(*pings, return_exceptions=True):
                assert result in (b"PONG", True) or isinstance(result, FAULTS), repr(result)
                faults += isinstance(result, Exception)
        await client.aclose()
        await proxy.close()
        return faults

    port = free_port()
    valkey = Valkey(tmp_path, port=port).start()
    assert uvloop.run(ping_while_connections_are_cut()) > 0
    valkey.close()


async def test_commands_are_sent_unchanged_with_any_arguments(client):
    values = ["é", b"\xff\r\n$3", 7, "", "x" * 100_000]
    await client.execute_command("RPUSH", "l", *values)
    pipeline = client.pipeline(transaction=False)
    pipeline.execute_command("LRANGE", "l", 0, -1)
    pipeline.execute_command("CLIENT GETNAME")
    found, name = await pipeline.execute()
    assert found == ["é".encode(), b"\xff\r\n$3", b"7", b"", b"x" * 100_000]
    assert name == b"tests"

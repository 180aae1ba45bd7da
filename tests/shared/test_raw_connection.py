import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hookbus.shared.connection import connect
from hookbus.shared.raw_connection import RawConnection
from tests.wait import until


@pytest.fixture
async def line(redis_url):
    line = RawConnection(connect(redis_url, "tests:line"))
    yield line
    await line.aclose()


async def test_it_connects_on_first_use_and_sends_one_command_after_the_other(line):
    assert await line.execute_command("SET", "test:a", b"\xff") == b"OK"
    assert await line.execute_command("GET", "test:a") == b"\xff"


async def test_pipelined_commands_have_replies_in_order_with_errors_in_their_place(line):
    replies = await line.execute_all([("SET", "test:a", 1), ("LPUSH", "test:a", 2), ("INCR", "test:a")])
    assert (replies[0], replies[2]) == (b"OK", 2)
    assert isinstance(replies[1], ResponseError)
    assert await line.execute_all([]) == []


async def test_a_refused_command_keeps_the_connection(line):
    before = await line.execute_command("CLIENT", "ID")
    with pytest.raises(ResponseError):
        await line.execute_command("NO.SUCH")
    assert await line.execute_command("CLIENT", "ID") == before


async def test_a_connection_closed_while_idle_is_replaced_without_an_error(line, client):
    number = await line.execute_command("CLIENT", "ID")
    await client.execute_command("CLIENT", "KILL", "ID", number)
    await until(line._connection._reader.at_eof)
    assert await line.execute_command("PING") == b"PONG"


async def test_a_connection_cut_during_a_command_raises_and_is_replaced_for_the_next(line, client):
    number = await line.execute_command("CLIENT", "ID")
    asking = asyncio.create_task(line.execute_command("BLPOP", "test:none", 0))
    await until(lambda: _is_blocked(client))
    await client.execute_command("CLIENT", "KILL", "ID", number)
    with pytest.raises(RedisConnectionError):
        await asking
    assert await line.execute_command("PING") == b"PONG"


async def _is_blocked(client) -> bool:
    return b"blocked_clients:1" in await client.execute_command("INFO", "clients")


async def test_the_reply_to_a_cancelled_command_reaches_no_other_command(line):
    await line.execute_command("PING")
    asking = asyncio.create_task(line.execute_command("BLPOP", "test:late", 0.05))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert await line.execute_command("ECHO", "mine") == b"mine"


async def test_a_late_reply_is_an_error_and_reaches_no_other_command(redis_url):
    line = RawConnection(connect(redis_url, "tests:line", reply_timeout_s=0.05))
    with pytest.raises(RedisTimeoutError):
        await line.execute_command("BLPOP", "test:late", 0.2)
    assert await line.execute_command("ECHO", "mine") == b"mine"
    await line.aclose()


async def test_without_a_server_it_raises_and_it_recovers_with_the_server(own_server):
    line = RawConnection(connect(own_server.url, "tests:line"))
    await asyncio.to_thread(own_server.stop)
    with pytest.raises((RedisConnectionError, OSError)):
        await line.execute_all([("PING",)])
    await asyncio.to_thread(own_server.start)
    assert await line.execute_all([("PING",)]) == [b"PONG"]
    await line.aclose()

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


async def test_it_connects_when_first_used_and_asks_one_command_after_the_other(line):
    assert await line.execute_command("SET", "test:a", b"\xff") == b"OK"
    assert await line.execute_command("GET", "test:a") == b"\xff"


async def test_commands_that_go_at_once_are_answered_in_order_and_a_refusal_stands_in_its_place(line):
    replies = await line.execute_all([("SET", "test:a", 1), ("LPUSH", "test:a", 2), ("INCR", "test:a")])
    assert (replies[0], replies[2]) == (b"OK", 2)
    assert isinstance(replies[1], ResponseError)
    assert await line.execute_all([]) == []


async def test_a_refusal_costs_no_connection(line):
    before = await line.execute_command("CLIENT", "ID")
    with pytest.raises(ResponseError):
        await line.execute_command("NO.SUCH")
    assert await line.execute_command("CLIENT", "ID") == before


async def test_one_that_was_closed_while_idle_is_made_again_and_nothing_fails(line, client):
    number = await line.execute_command("CLIENT", "ID")
    await client.execute_command("CLIENT", "KILL", "ID", number)
    await until(line._connection._reader.at_eof)
    assert await line.execute_command("PING") == b"PONG"


async def test_one_that_is_cut_while_something_is_asked_fails_and_is_made_again_for_the_next(line, client):
    number = await line.execute_command("CLIENT", "ID")
    asking = asyncio.create_task(line.execute_command("BLPOP", "test:none", 0))
    await until(lambda: _is_blocked(client))
    await client.execute_command("CLIENT", "KILL", "ID", number)
    with pytest.raises(RedisConnectionError):
        await asking
    assert await line.execute_command("PING") == b"PONG"


async def _is_blocked(client) -> bool:
    return b"blocked_clients:1" in await client.execute_command("INFO", "clients")


async def test_the_reply_of_one_that_was_cancelled_is_nobody_elses(line):
    await line.execute_command("PING")
    asking = asyncio.create_task(line.execute_command("BLPOP", "test:late", 0.05))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert await line.execute_command("ECHO", "mine") == b"mine"


async def test_a_reply_that_does_not_come_in_time_is_an_error_and_nobody_elses_later(redis_url):
    line = RawConnection(connect(redis_url, "tests:line", reply_timeout_s=0.05))
    with pytest.raises(RedisTimeoutError):
        await line.execute_command("BLPOP", "test:late", 0.2)
    assert await line.execute_command("ECHO", "mine") == b"mine"
    await line.aclose()


async def test_without_a_server_it_says_so_and_comes_back_with_it(own_server):
    line = RawConnection(connect(own_server.url, "tests:line"))
    await asyncio.to_thread(own_server.stop)
    with pytest.raises((RedisConnectionError, OSError)):
        await line.execute_all([("PING",)])
    await asyncio.to_thread(own_server.start)
    assert await line.execute_all([("PING",)]) == [b"PONG"]
    await line.aclose()

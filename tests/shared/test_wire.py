import asyncio

import pytest
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from hookbus.shared.address import Address
from hookbus.shared.connection import connect, connect_blocking, leave_server
from hookbus.shared.raw_connection import RawConnection
from tests.moving import moving
from tests.wait import until

pytestmark = pytest.mark.both_loops

OF_WRONG_SERVERS = [
    "READONLY no",
    "UNBLOCKED by a change",
    "MASTERDOWN no link",
    "MOVED 1 127.0.0.1:1",
    "CLUSTERDOWN slot",
]
OF_COMMANDS = [
    "WRONGTYPE no",
    "OOM no",
    "MISCONF no",
    "NOGROUP no",
    "ERR it says READONLY",
    "NOREPLICAS no",
    "UNBLOCKED the stream key no longer exists",
]
WRAPPED = "ERR Error running script (call to f_0): @user_script:1: -READONLY You can't write against a replica."


def failing(text: str) -> tuple[str | int, ...]:
    """A command to which a real server replies with an error of this text."""
    return "EVAL", "return redis.error_reply(ARGV[1])", 0, text


@pytest.mark.parametrize("text", [*OF_WRONG_SERVERS, WRAPPED])
async def test_after_an_error_of_a_wrong_server_the_next_command_reconnects(redis_url, text):
    client, line = connect(redis_url, "tests", connections=1), RawConnection(connect(redis_url, "tests"))
    for execute in (client.execute_command, line.execute_command):
        before = await execute("CLIENT", "ID")
        with pytest.raises(RedisError):
            await execute(*failing(text))
        assert await execute("CLIENT", "ID") != before
    await client.aclose()
    await line.aclose()


@pytest.mark.parametrize("text", OF_COMMANDS)
async def test_other_errors_keep_the_connection(redis_url, text):
    client = connect(redis_url, "tests", connections=1)
    before = await client.execute_command("CLIENT", "ID")
    with pytest.raises(ResponseError):
        await client.execute_command(*failing(text))
    assert await client.execute_command("CLIENT", "ID") == before
    await client.aclose()


async def test_an_error_of_a_wrong_server_inside_other_replies_counts_and_they_stay_intact(redis_url):
    client, line = connect(redis_url, "tests", connections=1), RawConnection(connect(redis_url, "tests"))
    nested = "EVAL", "return {1, {err = 'READONLY no'}}", 0

    async def pipelined(is_transaction: bool) -> list[object]:
        pipeline = client.pipeline(transaction=is_transaction)
        for command in (("PING",), failing("READONLY no"), ("ECHO", "after")):
            pipeline.execute_command(*command)
        return await pipeline.execute(raise_on_error=False)

    async def alone() -> list[object]:
        return [*await client.execute_command(*nested), b"after"]

    async def on_a_line() -> list[object]:
        return await line.execute_all([("PING",), failing("READONLY no"), ("ECHO", "after")])

    for run, execute in (
        (lambda: pipelined(False), client.execute_command),
        (lambda: pipelined(True), client.execute_command),
        (alone, client.execute_command),
        (on_a_line, line.execute_command),
    ):
        before = await execute("CLIENT", "ID")
        _, refused, after = await run()
        assert (type(refused), after) == (ReadOnlyError, b"after")
        assert await execute("CLIENT", "ID") != before
    await client.aclose()
    await line.aclose()


async def test_a_wrong_server_found_by_one_connection_is_left_by_all_of_the_process(redis_url):
    address = Address(redis_url)
    lines = [RawConnection(connect(address, "tests")) for _ in range(2)]
    client = connect(address, "tests", connections=1)
    blocking = connect_blocking(address, "tests", reply_timeout_s=5)

    async def ids() -> list[int]:
        return [
            *[await line.execute_command("CLIENT", "ID") for line in lines],
            await client.execute_command("CLIENT", "ID"),
            await asyncio.to_thread(blocking.client_id),
        ]

    async def all_are_new_after(before: list[int]) -> list[int]:
        after = await ids()
        assert not set(before) & set(after)
        assert await ids() == after, "one reconnect is enough"
        return after

    now = await ids()
    with pytest.raises(ReadOnlyError):
        await lines[0].execute_command(*failing("READONLY no"))
    now = await all_are_new_after(now)
    with pytest.raises(ReadOnlyError):
        await asyncio.to_thread(blocking.execute_command, *failing("READONLY no"))
    now = await all_are_new_after(now)
    leave_server(client)
    await all_are_new_after(now)
    for opened in (*lines, client):
        await opened.aclose()
    blocking.close()


async def test_on_connect_that_meets_a_wrong_server_fails_its_command_without_a_loop(redis_url):
    greeted = []

    async def on_connect(execute):
        greeted.append(await execute("CLIENT", "ID"))
        if len(greeted) < 3:
            await execute(*failing("READONLY no"))

    client = connect(redis_url, "tests", connections=1, on_connect=on_connect)
    for _ in range(2):
        with pytest.raises(ReadOnlyError):
            await client.execute_command("PING")
    assert await client.execute_command("CLIENT", "ID") == greeted[2]
    await client.aclose()


async def test_on_connect_that_raises_leaves_no_connection_behind(redis_url):
    async def on_connect(execute):
        await execute("PING")
        raise KeyError("its own fault")

    client = connect(redis_url, "tests", connections=1, on_connect=on_connect)
    for _ in range(2):
        with pytest.raises(KeyError):
            await client.execute_command("PING")
    await client.aclose()


async def test_a_moved_address_is_followed_although_the_old_server_is_still_up(tmp_path):
    async with moving(tmp_path) as servers:
        address = Address(servers.url)
        client, line = connect(address, "tests", connections=1), RawConnection(connect(address, "tests"))
        blocking = connect_blocking(address, "tests", reply_timeout_s=5)
        writes = [client.execute_command, line.execute_command]
        for write in writes:
            await write("SET", "test:where", "first")
        await asyncio.to_thread(blocking.set, "test:where", "first")
        await servers.move()
        with pytest.raises(ReadOnlyError):
            await asyncio.to_thread(blocking.set, "test:where", "second")
        await asyncio.to_thread(blocking.set, "test:where", "second")
        for write in writes:
            await write("SET", "test:where", "second")
        with servers.second.client() as second:
            assert second.get("test:where") == b"second"
        await client.aclose()
        await line.aclose()
        blocking.close()


async def test_a_blocking_read_ends_when_its_server_becomes_a_replica(tmp_path):
    async with moving(tmp_path) as servers:
        line = RawConnection(connect(servers.url, "tests"))
        reading = asyncio.create_task(line.execute_command("BLPOP", "test:list", 30))
        with servers.first.client() as first, servers.second.client() as second:
            await until(lambda: first.info("clients")["blocked_clients"])
            await servers.move()
            with pytest.raises(ResponseError, match="UNBLOCKED"):
                await reading
            second.rpush("test:list", "there")
        assert await line.execute_command("BLPOP", "test:list", 30) == [b"test:list", b"there"]
        await line.aclose()

import asyncio

import pytest

from shared.connection import connect, parse_info, redacted


async def test_replies_come_as_on_the_wire(client):
    await client.execute_command("XADD", "s", "1-1", "a", "b")
    assert await client.execute_command("XRANGE", "s", "-", "+") == [[b"1-1", [b"a", b"b"]]]


def test_a_password_never_shows():
    assert redacted("redis://:hunter2@host:1/0") == "redis://:***@host:1/0"
    assert redacted("rediss://user:p%2Fq@host") == "rediss://user:***@host"
    assert redacted("redis://host:1/0") == "redis://host:1/0"
    assert redacted("unix:///tmp/a.sock") == "unix:///tmp/a.sock"


def test_info_is_parsed_without_its_headings():
    assert parse_info(b"# Server\r\nredis_version:7.2.4\r\n\r\nos:a:b\r\n") == {"redis_version": "7.2.4", "os": "a:b"}


async def test_a_cancellation_is_never_swallowed_at_whatever_moment_it_comes(redis_url):
    for is_first, most in ((True, 30), (False, 8)):
        for turns in range(most):
            client = connect(redis_url, "tests", connections=1)
            if not is_first:
                await client.execute_command("PING")

            async def ask_for_ever(client=client):
                while True:
                    await client.execute_command("PING")

            task = asyncio.create_task(ask_for_ever())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=2)
            await client.execute_command("PING")  # the connection that it left is not out of step
            await client.aclose()
            assert done, f"after {turns} turns of the loop"


@pytest.mark.parametrize("url", ["redis://h", "rediss://h", "unix:///s"])
def test_every_kind_of_connection_is_cancellable(url):
    pool = connect(url, "tests").connection_pool
    assert pool.connection_class.__name__ in ("_Tcp", "_Tls", "_Unix")

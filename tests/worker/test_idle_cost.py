"""What a worker asks of Redis while nothing happens, counted: it grows with groups and shards, and with nothing else.

The bounds are those of 50 groups with 10 subscriptions each on 4 shards, 250 connections and 250 commands a second,
divided by their shares: a blocking read of two seconds for each group and shard, and the rest for each shard.
"""

import asyncio

import pytest
from redis.asyncio import Redis

from hookbus import App
from hookbus.shared.connection import parse_info
from hookbus.shared.raw_connection import RawConnection
from tests.wait import until
from tests.worker.builders import KEYS, Handler, store
from tests.worker.running import app_of, running

TYPES = ("response.completed", "response.failed", "batch.completed", "batch.failed", "eval.run.succeeded")
GROUPS, SHARDS = 10, 2
READS = GROUPS * SHARDS
CONNECTIONS = READS + 50
COMMANDS_A_SECOND = READS / 2 + SHARDS * 37
SECONDS = 2.0


def an_app(group: str) -> App:
    """A group with one subscription for each type."""
    app = App(group)
    for name in TYPES:

        @app.on(name)
        async def handle(event: dict) -> None: ...

    return app


@pytest.fixture
async def idle_worker(redis_url):
    async with running(redis_url, *(an_app(f"group{number}") for number in range(GROUPS)), shards=SHARDS) as worker:
        yield worker


async def test_subscriptions_take_no_connections_of_their_own(client, idle_worker):
    clients = (await client.execute_command("CLIENT", "LIST")).decode()
    assert READS <= clients.count("name=hookbus-worker:") <= CONNECTIONS


async def test_duties_cost_no_commands_for_each_group(client, idle_worker):
    found = [await commands_a_second(client) for _ in range(3)]
    assert min(found) <= COMMANDS_A_SECOND, found  # the least, as the start costs some of its own


async def commands_a_second(client: Redis) -> float:
    before = await commands(client)
    await asyncio.sleep(SECONDS)
    return (await commands(client) - before - 1) / SECONDS  # without the INFO


async def commands(client: Redis) -> int:
    """Commands so far, those within scripts included."""
    return int(parse_info(await client.execute_command("INFO", "stats"))["total_commands_processed"])


async def test_an_idle_reader_waits_on_the_types_that_were_seen_and_on_no_other(client, redis_url, monkeypatch):
    waiting: dict[int, set[str]] = {}
    execute = RawConnection.execute_command

    async def noted(self, *command):
        if command[0] == "XREADGROUP" and "BLOCK" in command:
            names = command[command.index("STREAMS") + 1 :]
            waiting[id(self)] = set(names[: len(names) // 2])
        return await execute(self, *command)

    monkeypatch.setattr(RawConnection, "execute_command", noted)
    handler = Handler(is_open=True)
    seen = ("batch.completed", "made.up")
    async with running(redis_url, app_of(handler, "*")):
        for name in seen:
            await store(client, f"wh_{name}", event_type=name)
        await until(lambda: len(handler.done) == len(seen))
        streams = {KEYS.stream(name) for name in seen}
        await until(lambda: list(waiting.values()) == [streams], 6, "reads of these streams alone")

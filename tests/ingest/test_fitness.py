import asyncio
import contextlib

import pytest
from structlog.testing import capture_logs

from ingest.fitness import Fitness
from shared import keys
from shared.connection import connect
from shared.fault import Fault, UnfitError
from shared.settings import ConfigError
from tests.wait import until


@contextlib.asynccontextmanager
async def watching(fitness: Fitness, url: str):
    """The duty at work."""
    client = connect(url, "tests:fitness", connections=1)
    task = asyncio.create_task(fitness.run(client))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.aclose()


async def test_before_the_first_look_nothing_is_promised():
    assert Fitness("memory", 1, unsafe=False).fault == Fault("queue_unavailable", "not connected yet")


async def test_g9_a_server_that_goes_and_comes_is_noticed_both_times(own_server):
    fitness = Fitness("fsync", 1, unsafe=False)
    async with watching(fitness, own_server.url):
        await until(lambda: fitness.fault is None)
        own_server.stop()
        fitness.doubt(Fault("queue_unavailable", "a command failed"))
        assert fitness.fault is not None
        await until(lambda: fitness.fault is not None and "a command failed" not in fitness.fault.detail)
        own_server.start()
        await until(lambda: fitness.fault is None)


async def test_g1_a_change_of_configuration_ends_the_200s(own_server):
    fitness = Fitness("fsync", 1, unsafe=False)
    async with watching(fitness, own_server.url):
        await until(lambda: fitness.fault is None)
        with own_server.client() as client:
            client.config_set("appendfsync", "everysec")
        fitness.doubt(Fault("queue_unavailable", "look again"))
        await until(lambda: fitness.fault is not None and fitness.fault.code == "not_durable")


async def test_g1_no_command_gets_onto_a_connection_to_an_unfit_server(redis_url):
    fitness = Fitness("fsync", 1, unsafe=False)
    client = connect(redis_url, "tests", greet=fitness.greet)  # this server does not fsync
    with pytest.raises(UnfitError, match="not_durable"):
        await client.execute_command("SET", "k", "v")
    await client.aclose()


async def test_unsafe_forgives_a_server_that_is_not_durable(redis_url):
    fitness = Fitness("fsync", 1, unsafe=True)
    async with watching(fitness, redis_url):
        await until(lambda: fitness.fault is None)


async def test_g9_a_flushed_server_is_reported_as_data_loss(client, redis_url):
    fitness = Fitness("memory", 1, unsafe=False)
    with capture_logs() as logs:
        await fitness.greet(client.execute_command)
        await fitness.greet(client.execute_command)
        assert logs == []
        await client.execute_command("FLUSHALL")
        await fitness.greet(client.execute_command)
    assert [entry["event"] for entry in logs] == ["data_loss"]


async def test_a_wrong_server_stops_the_start(client, redis_url):
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT, "shards", 4)
    async with watching(Fitness("memory", 1, unsafe=False), redis_url) as task:
        with pytest.raises(ConfigError, match="shards"):
            await task


async def test_a_server_that_turns_wrong_later_is_a_fault_and_not_the_end(client, redis_url):
    fitness = Fitness("memory", 1, unsafe=False)
    async with watching(fitness, redis_url) as task:
        await until(lambda: fitness.fault is None)
        await client.execute_command("HSET", keys.META, "shards", 4)
        fitness.doubt(Fault("queue_unavailable", "look again"))
        await until(lambda: fitness.fault is not None and "shards" in fitness.fault.detail)
        assert not task.done()

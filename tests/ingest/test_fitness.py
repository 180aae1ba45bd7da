import asyncio
import contextlib

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from ingest.fitness import Fault, Fitness, UnfitError, fault_of, judge
from shared import keys
from shared.connection import connect
from shared.server import Server
from shared.settings import ConfigError
from tests.wait import until

GOOD_INFO = {"role": "master", "loading": "0", "aof_last_write_status": "ok"}
GOOD_CONFIG = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


def server(**changed: str) -> Server:
    """A good server but for what is said; configuration names have underscores for dashes, None leaves one out."""
    info, config = dict(GOOD_INFO), dict(GOOD_CONFIG)
    for name, value in changed.items():
        table = config if name.replace("_", "-") in GOOD_CONFIG else info
        table[name.replace("_", "-") if table is config else name] = value
    return Server(info, config, is_new=False)


@pytest.mark.parametrize("durability", ["memory", "fsync"])
def test_a_good_server_is_fit(durability):
    assert judge(server(), durability) is None


@pytest.mark.parametrize(
    ("changed", "code", "says"),
    [
        ({"role": "slave"}, "queue_unavailable", "replica"),
        ({"loading": "1"}, "queue_unavailable", "loading"),
        ({"maxmemory_policy": "allkeys-lru"}, "not_durable", "maxmemory-policy is allkeys-lru"),
        ({"appendonly": "no"}, "not_durable", "appendonly yes; it is no"),
        ({"appendfsync": "everysec"}, "not_durable", "appendfsync always; it is everysec"),
        ({"aof_last_write_status": "err"}, "not_durable", "append-only file"),
    ],
)
def test_what_fsync_cannot_do_with_is_named(changed, code, says):
    fault = judge(server(**changed), "fsync")
    assert fault is not None
    assert fault.code == code
    assert says in fault.detail


@pytest.mark.parametrize("changed", [{"appendonly": "no"}, {"appendfsync": "no"}, {"aof_last_write_status": "err"}])
def test_memory_asks_for_no_file(changed):
    assert judge(server(**changed), "memory") is None


def test_eviction_breaks_every_promise():
    assert judge(server(maxmemory_policy="volatile-ttl"), "memory").code == "not_durable"


def test_where_config_is_refused_info_tells_the_policy_and_fsync_cannot_be_promised():
    managed = Server(GOOD_INFO | {"maxmemory_policy": "noeviction"}, {}, is_new=False)
    assert judge(managed, "memory") is None
    assert "CONFIG is refused" in judge(managed, "fsync").detail


async def refusal(client, *command) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        await client.execute_command(*command)
    return caught.value


async def test_redis_own_refusals_become_our_codes(client):
    await client.execute_command("CONFIG", "SET", "maxmemory", "1")
    assert fault_of(await refusal(client, "SET", "k", "v")).code == "overloaded"
    await client.execute_command("CONFIG", "SET", "maxmemory", "0")
    await client.execute_command("CONFIG", "SET", "min-replicas-to-write", "1")
    try:
        assert fault_of(await refusal(client, "SET", "k", "v")).code == "not_durable"
    finally:
        await client.execute_command("CONFIG", "SET", "min-replicas-to-write", "0")
    assert fault_of(await refusal(client, "NOSUCH")).code == "queue_unavailable"


def test_other_errors_become_codes():
    assert fault_of(RedisConnectionError("gone")) == Fault("queue_unavailable", "gone")
    assert fault_of(TimeoutError()) == Fault("queue_unavailable", "TimeoutError")
    assert fault_of(ResponseError("strange")).code == "queue_unavailable"
    assert fault_of(UnfitError(Fault("overloaded", "x"))) == Fault("overloaded", "x")


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

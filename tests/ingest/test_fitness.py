import asyncio
import contextlib

import pytest
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from hookbus.ingest.fitness import Fitness
from hookbus.shared import aof_replay, keys
from hookbus.shared.connection import connect
from hookbus.shared.fault import Fault, UnfitError
from hookbus.shared.fsync import FIRST_REWRITE, NOT_ON_DISK
from hookbus.shared.settings import ConfigError
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


@pytest.mark.parametrize("setting", ["no-appendfsync-on-rewrite yes", "appendonly no", "appendfsync no"])
async def test_g1_fsync_is_not_promised_with_settings_that_may_not_keep_it(own_server, setting):
    with own_server.client() as admin:
        admin.config_set(*setting.split())
    fitness = Fitness("fsync", 1, unsafe=False)
    async with watching(fitness, own_server.url):
        await until(fitness.was_seen.is_set)
        assert fitness.fault.code == "not_durable"
        assert setting.split()[0] in fitness.fault.detail


async def test_g1_fsync_is_not_promised_until_the_file_is_written_for_the_first_time(own_server):
    fitness = Fitness("fsync", 1, unsafe=False)
    with own_server.client() as admin:
        admin.set("a", "b")
        for name, value in (("appendonly", "no"), ("rdb-key-save-delay", 3_000_000), ("appendonly", "yes")):
            admin.config_set(name, value)
        async with watching(fitness, own_server.url):
            await until(fitness.was_seen.is_set)
            assert fitness.fault in (NOT_ON_DISK, FIRST_REWRITE)  # the latter where there is no WAITAOF
            assert admin.info("persistence")["aof_rewrite_in_progress"] == 1
            await until(lambda: fitness.fault is None)
        assert admin.info("persistence")["aof_rewrite_in_progress"] == 0


async def test_a_server_that_can_not_tell_of_its_disk_is_trusted_by_its_settings_and_that_is_said(own_server):
    url = own_server.url.replace("://", "://bus:pw@")
    with own_server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "bus", "on", ">pw", "~*", "+@all")
        with contextlib.suppress(ResponseError):  # Redis 7.0 has no such command anyway
            admin.execute_command("ACL", "SETUSER", "bus", "-waitaof")
    fitness = Fitness("fsync", 1, unsafe=False)
    with capture_logs() as logs:
        async with watching(fitness, url):
            await until(lambda: fitness.fault is None)
            fitness.doubt(Fault("queue_unavailable", "look again"))
            await until(lambda: fitness.fault is None)
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"].count("fsync_not_observed") == 1


async def test_a_redis_in_which_no_event_can_be_stored_is_not_fit(own_server):
    with own_server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "bus", "on", ">pw", "~*", "+@all", "-@scripting")
        fitness = Fitness("memory", 1, unsafe=False)
        async with watching(fitness, own_server.url.replace("://", "://bus:pw@")):
            await until(fitness.was_seen.is_set)
            assert "SCRIPT LOAD is refused" in fitness.fault.detail
            assert not fitness.was_fit.is_set()
            admin.execute_command("ACL", "SETUSER", "bus", "+@scripting")
            await until(lambda: fitness.fault is None)
            admin.execute_command("ACL", "SETUSER", "bus", "-xadd")
            fitness.doubt(Fault("queue_unavailable", "look again"))
            await until(lambda: "XADD is refused" in getattr(fitness.fault, "detail", ""))


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


async def test_an_acl_with_which_a_restart_may_lose_all_is_an_error_in_the_log_once_for_each_server(own_server):
    fitness = Fitness("memory", 1, unsafe=False)
    with own_server.client() as admin, capture_logs() as logs:
        admin.execute_command("ACL", "SETUSER", "bus", "on", ">pw", "~*", "+@all")
        admin.execute_command("ACL", "SETUSER", "default", "-xadd")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("hookbus.ingest.fitness.aof_replay.examine", examine_as_old(aof_replay.examine))
            async with watching(fitness, own_server.url.replace("://", "://bus:pw@")):
                await until(lambda: [entry for entry in logs if entry["event"] == "restart_unsafe"])
                fitness.doubt(Fault("queue_unavailable", "look again"))
                await until(lambda: fitness.fault is None)
        admin.execute_command("ACL", "SETUSER", "default", "+@all")
    (told,) = [entry for entry in logs if entry["event"] == "restart_unsafe"]
    assert (told["log_level"], told["code"]) == ("error", "restart_loses_data")


def examine_as_old(examine):
    """What it would find if this server were one without the fix."""

    async def examined(ask, info):
        return await examine(ask, {"redis_version": "7.0.15"})

    return examined

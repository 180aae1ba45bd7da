import asyncio
import contextlib

import pytest
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from hookbus.ingest.redis_health import RedisHealth
from hookbus.shared import aof_replay, keys, layout
from hookbus.shared.connection import connect
from hookbus.shared.fault import Fault, UnhealthyError
from hookbus.shared.fsync import FIRST_REWRITE, NOT_ON_DISK
from hookbus.shared.settings import ConfigError
from tests.wait import until


@contextlib.asynccontextmanager
async def watching(redis_health: RedisHealth, url: str):
    """Run the health check."""
    client = connect(url, "tests:health", connections=1)
    task = asyncio.create_task(redis_health.run(client))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.aclose()


async def test_before_the_first_check_redis_is_not_healthy():
    assert RedisHealth("memory", 1, unsafe=False).fault == Fault("queue_unavailable", "not connected yet")


async def test_g9_a_server_that_stops_and_starts_is_detected_both_times(own_server):
    redis_health = RedisHealth("fsync", 1, unsafe=False)
    async with watching(redis_health, own_server.url):
        await until(lambda: redis_health.fault is None)
        own_server.stop()
        redis_health.mark_suspect(Fault("queue_unavailable", "a command failed"))
        assert redis_health.fault is not None
        await until(lambda: redis_health.fault is not None and "a command failed" not in redis_health.fault.detail)
        own_server.start()
        await until(lambda: redis_health.fault is None)


async def test_g1_a_change_of_configuration_stops_the_200s(own_server):
    redis_health = RedisHealth("fsync", 1, unsafe=False)
    async with watching(redis_health, own_server.url):
        await until(lambda: redis_health.fault is None)
        with own_server.client() as client:
            client.config_set("appendfsync", "everysec")
        redis_health.mark_suspect(Fault("queue_unavailable", "look again"))
        await until(lambda: redis_health.fault is not None and redis_health.fault.code == "not_durable")


@pytest.mark.parametrize("setting", ["no-appendfsync-on-rewrite yes", "appendonly no", "appendfsync no"])
async def test_g1_fsync_is_not_promised_with_settings_that_may_not_keep_it(own_server, setting):
    with own_server.client() as admin:
        admin.config_set(*setting.split())
    redis_health = RedisHealth("fsync", 1, unsafe=False)
    async with watching(redis_health, own_server.url):
        await until(redis_health.was_seen.is_set)
        assert redis_health.fault.code == "not_durable"
        assert setting.split()[0] in redis_health.fault.detail


async def test_g1_fsync_is_not_promised_before_the_first_rewrite_of_the_file(own_server):
    redis_health = RedisHealth("fsync", 1, unsafe=False)
    with own_server.client() as admin:
        admin.set("a", "b")
        for name, value in (("appendonly", "no"), ("rdb-key-save-delay", 3_000_000), ("appendonly", "yes")):
            admin.config_set(name, value)
        async with watching(redis_health, own_server.url):
            await until(redis_health.was_seen.is_set)
            assert redis_health.fault in (NOT_ON_DISK, FIRST_REWRITE)  # the latter where there is no WAITAOF
            assert admin.info("persistence")["aof_rewrite_in_progress"] == 1
            await until(lambda: redis_health.fault is None)
        assert admin.info("persistence")["aof_rewrite_in_progress"] == 0


async def test_without_waitaof_the_settings_of_the_server_decide_and_that_is_logged(own_server):
    url = own_server.url.replace("://", "://bus:pw@")
    with own_server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "bus", "on", ">pw", "~*", "+@all")
        with contextlib.suppress(ResponseError):  # Redis 7.0 has no such command anyway
            admin.execute_command("ACL", "SETUSER", "bus", "-waitaof")
    redis_health = RedisHealth("fsync", 1, unsafe=False)
    with capture_logs() as logs:
        async with watching(redis_health, url):
            await until(lambda: redis_health.fault is None)
            redis_health.mark_suspect(Fault("queue_unavailable", "look again"))
            await until(lambda: redis_health.fault is None)
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"].count("fsync_not_observed") == 1


async def test_a_redis_that_can_store_no_event_is_unhealthy(own_server):
    with own_server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "bus", "on", ">pw", "~*", "+@all", "-@scripting")
        client = connect(own_server.url, "tests")
        await layout.claim(client.execute_command, 1)
        await client.aclose()
        redis_health = RedisHealth("memory", 1, unsafe=False)
        async with watching(redis_health, own_server.url.replace("://", "://bus:pw@")):
            await until(redis_health.was_seen.is_set)
            assert "SCRIPT LOAD is refused" in redis_health.fault.detail
            assert not redis_health.was_healthy.is_set()
            admin.execute_command("ACL", "SETUSER", "bus", "+@scripting")
            await until(lambda: redis_health.fault is None)
            admin.execute_command("ACL", "SETUSER", "bus", "-xadd")
            redis_health.mark_suspect(Fault("queue_unavailable", "look again"))
            await until(lambda: "XADD is refused" in getattr(redis_health.fault, "detail", ""))


async def test_g1_no_command_is_sent_to_an_unhealthy_server(redis_url):
    redis_health = RedisHealth("fsync", 1, unsafe=False)
    client = connect(redis_url, "tests", on_connect=redis_health.on_connect)  # this server does not fsync
    with pytest.raises(UnhealthyError, match="not_durable"):
        await client.execute_command("SET", "k", "v")
    await client.aclose()


async def test_unsafe_accepts_a_server_that_is_not_durable(redis_url):
    redis_health = RedisHealth("fsync", 1, unsafe=True)
    async with watching(redis_health, redis_url):
        await until(lambda: redis_health.fault is None)


async def test_g9_a_flushed_server_is_reported_as_data_loss(client, redis_url):
    redis_health = RedisHealth("memory", 1, unsafe=False)
    with capture_logs() as logs:
        await redis_health.on_connect(client.execute_command)
        await redis_health.on_connect(client.execute_command)
        assert logs == []
        await client.execute_command("FLUSHALL")
        await redis_health.on_connect(client.execute_command)
    assert [entry["event"] for entry in logs] == ["data_loss"]


async def test_a_wrong_server_stops_the_start(client, redis_url):
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT, "shards", 4)
    async with watching(RedisHealth("memory", 1, unsafe=False), redis_url) as task:
        with pytest.raises(ConfigError, match="shards"):
            await task


async def test_data_of_an_older_layout_are_waited_for_unready(client, redis_url):
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT - 1, "shards", 1)
    redis_health = RedisHealth("memory", 1, unsafe=False)
    async with watching(redis_health, redis_url) as task:
        await until(redis_health.was_seen.is_set)
        assert redis_health.fault is not None
        assert f"data layout {keys.LAYOUT - 1} there" in redis_health.fault.detail
        assert not redis_health.was_healthy.is_set()
        await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT)  # a worker has migrated them
        await until(redis_health.was_healthy.is_set)
        assert not task.done()


async def test_g1_data_that_a_newer_release_takes_over_stop_the_200s(client, redis_url):
    redis_health = RedisHealth("memory", 1, unsafe=False)
    async with watching(redis_health, redis_url) as task:
        await until(lambda: redis_health.fault is None)
        await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT + 1, "migrating", keys.LAYOUT)
        await until(lambda: redis_health.fault is not None, timeout_s=10)
        assert not task.done()


async def test_a_server_that_turns_wrong_later_is_a_fault_and_does_not_end_the_process(client, redis_url):
    redis_health = RedisHealth("memory", 1, unsafe=False)
    async with watching(redis_health, redis_url) as task:
        await until(lambda: redis_health.fault is None)
        await client.execute_command("FLUSHALL")
        await layout.claim(client.execute_command, 4)
        redis_health.mark_suspect(Fault("queue_unavailable", "look again"))
        await until(lambda: redis_health.fault is not None and "shards" in redis_health.fault.detail)
        assert not task.done()


async def test_an_acl_that_makes_a_restart_lose_data_is_logged_as_an_error_once_for_each_server(own_server):
    redis_health = RedisHealth("memory", 1, unsafe=False)
    with own_server.client() as admin, capture_logs() as logs:
        admin.execute_command("ACL", "SETUSER", "bus", "on", ">pw", "~*", "+@all")
        admin.execute_command("ACL", "SETUSER", "default", "-xadd")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("hookbus.ingest.redis_health.aof_replay.examine", examine_as_old(aof_replay.examine))
            async with watching(redis_health, own_server.url.replace("://", "://bus:pw@")):
                await until(lambda: [entry for entry in logs if entry["event"] == "restart_unsafe"])
                redis_health.mark_suspect(Fault("queue_unavailable", "look again"))
                await until(lambda: redis_health.fault is None)
        admin.execute_command("ACL", "SETUSER", "default", "+@all")
    (line,) = [entry for entry in logs if entry["event"] == "restart_unsafe"]
    assert (line["log_level"], line["code"]) == ("error", "restart_loses_data")


def examine_as_old(examine):
    """`examine` as if this server were one without the fix."""

    async def examined(execute, info):
        return await examine(execute, {"redis_version": "7.0.15"})

    return examined

import pytest
from redis.exceptions import ResponseError

from hookbus.shared import keys
from hookbus.shared.server import fetch, inspect, is_unused
from hookbus.shared.settings import ConfigError

pytestmark = pytest.mark.both_loops


def telling(client, info: bytes = b"", refused: str = ""):
    """Asks the real server, but for INFO's text or a refused command."""

    async def execute(*command):
        if info and command == ("INFO",):
            return info
        if command[0] == refused:
            raise ResponseError("NOPERM this user may not")
        return await client.execute_command(*command)

    return execute


async def test_a_new_server_is_claimed_with_layout_and_shards(client):
    found = await inspect(client.execute_command, 4)
    assert found.is_new
    assert await client.execute_command("HGETALL", keys.META) == [b"layout", b"1", b"shards", b"4"]
    assert not (await inspect(client.execute_command, 4)).is_new


async def test_another_shard_count_is_refused_and_leaves_the_first_one(client):
    await inspect(client.execute_command, 4)
    with pytest.raises(ConfigError) as caught:
        await inspect(client.execute_command, 2)
    assert caught.value.problems == ["shards: 2 here, but the data in Redis is spread over 4"]
    assert await client.execute_command("HGET", keys.META, "shards") == b"4"


async def test_another_layout_is_refused(client):
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT + 1)
    with pytest.raises(ConfigError, match=f"layout {keys.LAYOUT + 1} there, this release supports {keys.LAYOUT}"):
        await inspect(client.execute_command, 1)


async def test_the_configuration_is_read(client):
    found = await inspect(client.execute_command, 1)
    assert (found.setting("appendonly"), found.eviction_policy) == ("yes", "noeviction")
    assert found.setting("nonsense") == ""
    assert found.info["role"] == "master"


async def test_where_config_is_refused_info_tells_the_eviction_policy(client):
    found = await inspect(telling(client, refused="CONFIG"), 1)
    assert found.config == {}
    assert found.setting("appendonly") == ""
    assert found.eviction_policy == "noeviction"


@pytest.mark.parametrize("version", ["6.2.14", "5.0.0"])
async def test_an_old_redis_is_refused_and_not_claimed(client, version):
    with pytest.raises(ConfigError, match=f"Redis {version} is too old"):
        await inspect(telling(client, f"redis_version:{version}\r\nrole:master\r\n".encode()), 1)
    assert await client.execute_command("EXISTS", keys.META) == 0


@pytest.mark.parametrize("version", ["7.0.0", "7.2.4", "8.10.2", "255.255.255"])
async def test_a_recent_redis_is_accepted(client, version):
    assert (await inspect(telling(client, f"redis_version:{version}\r\nrole:master\r\n".encode()), 1)).is_new


async def test_a_replica_is_not_claimed(client):
    found = await inspect(telling(client, b"redis_version:7.2.4\r\nrole:slave\r\n"), 1)
    assert not found.is_new
    assert await client.execute_command("EXISTS", keys.META) == 0


async def test_a_server_that_refuses_writes_fails_the_check(client):
    await client.execute_command("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(ResponseError):
        await inspect(client.execute_command, 1)


async def test_a_check_claims_nothing(client):
    found = await fetch(client.execute_command)
    assert (found.info["role"], found.eviction_policy) == ("master", "noeviction")
    assert await is_unused(client.execute_command, 4)
    assert await client.execute_command("DBSIZE") == 0
    await inspect(client.execute_command, 4)
    assert not await is_unused(client.execute_command, 4)
    with pytest.raises(ConfigError, match="shards: 2 here"):
        await is_unused(client.execute_command, 2)

import pytest
from redis.exceptions import ResponseError

from hookbus.shared import keys
from hookbus.shared.server import inspect
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
    found = await inspect(telling(client, f"redis_version:{version}\r\nrole:master\r\n".encode()), 1)
    assert found.new_shards == (0,)


async def test_a_replica_is_not_claimed(client):
    found = await inspect(telling(client, b"redis_version:7.2.4\r\nrole:slave\r\n"), 1)
    assert found.new_shards == ()
    assert await client.execute_command("EXISTS", keys.META) == 0


async def test_a_server_that_refuses_writes_fails_the_check(client):
    await client.execute_command("CONFIG", "SET", "min-replicas-to-write", "1")
    try:
        with pytest.raises(ResponseError, match="NOREPLICAS"):
            await inspect(client.execute_command, 1)
    finally:
        await client.execute_command("CONFIG", "SET", "min-replicas-to-write", "0")

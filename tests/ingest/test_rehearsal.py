import pytest

from hookbus.ingest.rehearsal import rehearse
from hookbus.shared import clock, keys
from hookbus.shared.connection import connect
from hookbus.shared.dedupe import DAY_MS
from hookbus.shared.fault import UnhealthyError
from hookbus.shared.valkey import Valkey

SHARD = keys.Keys(0)
NEEDED = ("evalsha", "script|load", "smismember", "sadd", "xadd", "expire", "unlink")


async def refused_to(server, *rules: str) -> str:
    """Why a user that may do everything except these rules can't store."""
    with server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "bus", "reset", "on", ">pw", "~*", "&*", "+@all", *rules)
    client = connect(server.url.replace("://", "://bus:pw@"), "tests", connections=1)
    try:
        with pytest.raises(UnhealthyError) as caught:
            await rehearse(client.execute_command, 1, 5, loads=True)
    finally:
        await client.aclose()
    assert caught.value.fault.code == "queue_unavailable"
    assert caught.value.fault.cure
    return caught.value.fault.detail


async def test_a_rehearsal_on_a_healthy_redis_leaves_no_keys(client):
    await rehearse(client.execute_command, 3, 5, loads=True)
    assert await client.execute_command("DBSIZE") == 0


async def test_existing_keys_are_not_changed(client):
    await client.execute_command("SADD", SHARD.types, "a")
    await rehearse(client.execute_command, 1, 5)
    assert await client.execute_command("SMEMBERS", SHARD.types) == [b"a"]
    assert await client.execute_command("DBSIZE") == 1


@pytest.mark.parametrize("command", NEEDED)
async def test_a_command_that_the_user_may_not_run_is_named(own_server, command):
    detail = await refused_to(own_server, f"-{command}")
    assert f"{command.upper().replace('|', ' ')} is refused" in detail


async def test_a_user_without_scripts_can_store_nothing(own_server):
    assert "no event can be stored: SCRIPT LOAD is refused" in await refused_to(own_server, "-@scripting")


@pytest.mark.parametrize("only", [f"~{SHARD.types}", "~hookbus:{*}:seen:*", "~hookbus:{*}:stream:*", "~others:*"])
async def test_keys_that_the_user_may_not_touch_are_a_fault(own_server, only):
    assert "EVALSHA is refused" in await refused_to(own_server, "resetkeys", only)


@pytest.mark.parametrize("command", ["EVALSHA", "SCRIPT", "SMISMEMBER", "SADD", "XADD", "EXPIRE", "UNLINK"])
async def test_a_command_that_was_renamed_away_is_named(tmp_path, command):
    config = tmp_path / "hardened.conf"
    config.write_text(f'rename-command {command} ""\n')
    server = Valkey(tmp_path / "data", config=config).start()
    client = connect(server.url, "tests", connections=1)
    with pytest.raises(UnhealthyError, match=f"{command}( LOAD)? is refused"):
        await rehearse(client.execute_command, 1, 5, loads=True)
    await client.aclose()
    server.close()


@pytest.mark.parametrize("key", [SHARD.types, SHARD.seen(clock.now_ms() // DAY_MS)])
async def test_a_key_of_another_type_in_place_of_a_set_is_a_fault(client, key):
    await client.execute_command("SET", key, "somebody else's")
    with pytest.raises(UnhealthyError, match="is not a set"):
        await rehearse(client.execute_command, 1, 5)
    assert await client.execute_command("DBSIZE") == 1


async def test_a_full_redis_is_overloaded(client):
    await client.execute_command("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(UnhealthyError) as caught:
        await rehearse(client.execute_command, 1, 5)
    assert caught.value.fault.code == "overloaded"

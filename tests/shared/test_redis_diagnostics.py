import pytest

from hookbus.shared import keys
from hookbus.shared.connection import connect
from hookbus.shared.fault import Fault, UnhealthyError
from hookbus.shared.redis_diagnostics import examine
from hookbus.shared.settings import Common
from tests.programs import free_port


async def nothing(execute) -> None:
    """A trial that does nothing."""


async def codes_of(client, redis_url, durability: str = "memory", trial=nothing, **options) -> dict[str, int]:
    """Code and exit code of each finding."""
    diagnosis = await examine(client, Common(redis_url=redis_url, **options), durability, trial)
    assert all(finding.problem and finding.action for finding in diagnosis.findings)
    return {finding.code: finding.exit_code for finding in diagnosis.findings}


async def test_an_unused_redis_is_reported_as_unused_and_stays_unchanged(client, redis_url):
    diagnosis = await examine(client, Common(redis_url=redis_url), "memory", nothing)
    assert (diagnosis.is_unused, diagnosis.headroom) == (True, None)
    assert "nothing of hookbus there yet" in "\n".join(diagnosis.lines())
    assert await client.execute_command("DBSIZE") == 0


async def test_another_layout_or_shard_count_is_wrong(client, redis_url):
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT + 1, "shards", 1)
    assert (await codes_of(client, redis_url))["wrong_redis"] == 78
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT, "shards", 4)
    assert (await codes_of(client, redis_url))["wrong_redis"] == 78
    assert "wrong_redis" not in await codes_of(client, redis_url, shards=4)


async def test_a_redis_that_refuses_writes_without_replicas_is_wrong(client, redis_url):
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT, "shards", 1)
    await client.execute_command("CONFIG", "SET", "min-replicas-to-write", "1")
    try:
        assert (await codes_of(client, redis_url))["not_durable"] == 78
    finally:
        await client.execute_command("CONFIG", "SET", "min-replicas-to-write", "0")


async def test_the_headroom_is_reported(client, redis_url):
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT, "shards", 1)
    await client.execute_command("CONFIG", "SET", "maxmemory", "1gb")
    diagnosis = await examine(client, Common(redis_url=redis_url), "memory", nothing)
    assert diagnosis.findings == []
    assert diagnosis.headroom.events > 1_000_000
    assert "of 1024.0 MiB; absorbs about " in "\n".join(diagnosis.lines())


async def test_a_password_is_never_shown(client):
    diagnosis = await examine(client, Common(redis_url="redis://me:hunter2@127.0.0.1:1/0"), "memory", nothing)
    assert "hunter2" not in repr(diagnosis)


async def test_all_problems_are_reported_in_one_run(client, redis_url):
    async def refused(execute):
        raise UnhealthyError(Fault("queue_unavailable", "no event can be stored: EVALSHA is refused", "mend the ACL"))

    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT, "shards", 4)
    await client.execute_command("SADD", keys.Keys(0).types, "a", "b", "c")
    await client.execute_command("SET", keys.Keys(0).stream("a"), "somebody else's")
    await client.execute_command("XADD", keys.Keys(0).stream("b"), f"{2**64 - 1}-{2**64 - 1}", "a", "b")
    await client.execute_command("XADD", keys.Keys(0).stream("c"), f"{2**44}-1", "a", "b")
    await client.execute_command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        diagnosis = await examine(client, Common(redis_url=redis_url), "fsync", refused)
    finally:
        await client.execute_command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert [finding.code for finding in diagnosis.findings] == [
        "not_durable",  # the policy
        "not_durable",  # appendfsync
        "maxmemory_unlimited",
        "wrong_redis",  # the shard count
        "queue_unavailable",  # the trial
        "bad_stream",
        "bad_stream",
        "ids_ahead",
    ]
    assert all(finding.action for finding in diagnosis.findings)


async def test_an_unreachable_redis_is_reported_once():
    url = f"redis://127.0.0.1:{free_port()}/0"
    client = connect(url, "tests")
    assert list(await codes_of(client, url)) == ["queue_unavailable"]
    await client.aclose()


@pytest.mark.parametrize("user", ["-config|get", "-info", "-time"])
async def test_a_refused_command_is_reported(own_server, user):
    with own_server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "bus", "on", ">pw", "~*", "+@all", user)
    url = own_server.url.replace("://", "://bus:pw@")
    client = connect(url, "tests")
    codes = await codes_of(client, url, "fsync" if user == "-config|get" else "memory")
    await client.aclose()
    expected = {"-config|get": {"not_durable": 78, "config_unknown": 0}, "-info": {"access_refused": 78}}
    assert expected.get(user, {"access_refused": 78}).items() <= codes.items()


async def test_a_write_that_is_not_on_the_disk_is_reported(own_server):
    async def write(execute):
        await execute("SET", "k", "v")

    client = connect(own_server.url, "tests", connections=1)
    execute = client.execute_command
    assert "not_durable" not in await codes_of(client, own_server.url, "fsync", write)
    for name, value in (("appendonly", "no"), ("rdb-key-save-delay", 3_000_000), ("appendonly", "yes")):
        await execute("CONFIG", "SET", name, value)
    assert (await codes_of(client, own_server.url, "fsync", write))["not_durable"] == 78
    await client.aclose()

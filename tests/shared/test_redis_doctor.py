import pytest
from msgspec.structs import replace

from shared import keys, redis_doctor
from shared.headroom import Headroom
from shared.redis_doctor import examine, little_room, warnings
from shared.settings import Common
from tests.shared.reports import REDIS

GOOD = replace(REDIS, can_save=True, clock_skew_ms=0)


async def found(client, redis_url, durability: str = "memory", **options) -> dict[str, int]:
    """Code and exit code of each finding."""
    told = await examine(client, Common(redis_url=redis_url, **options), durability)
    assert all(finding.problem and finding.action for finding in told.findings)
    return {finding.code: finding.exit_code for finding in told.findings}


async def test_a_redis_that_was_never_used_is_said_to_be_and_left_alone(client, redis_url):
    told = await examine(client, Common(redis_url=redis_url), "memory")
    assert (told.is_unused, told.headroom) == (True, None)
    assert "nothing of hookbus there yet" in "\n".join(told.lines())
    assert await client.execute_command("DBSIZE") == 0


async def test_another_layout_or_shard_count_is_wrong(client, redis_url):
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT + 1, "shards", 1)
    assert (await found(client, redis_url))["wrong_redis"] == 78
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT, "shards", 4)
    assert (await found(client, redis_url))["wrong_redis"] == 78
    assert "wrong_redis" not in await found(client, redis_url, shards=4)


async def test_a_redis_that_refuses_writes_for_want_of_replicas_is_wrong(client, redis_url):
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT, "shards", 1)
    await client.execute_command("CONFIG", "SET", "min-replicas-to-write", "1")
    try:
        assert (await found(client, redis_url))["not_durable"] == 78
    finally:
        await client.execute_command("CONFIG", "SET", "min-replicas-to-write", "0")


async def test_the_head_room_is_told(client, redis_url):
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT, "shards", 1)
    await client.execute_command("CONFIG", "SET", "maxmemory", "1gb")
    told = await examine(client, Common(redis_url=redis_url), "memory")
    assert told.findings == []
    assert told.headroom.events > 1_000_000
    assert "of 1024.0 MiB; absorbs about " in "\n".join(told.lines())


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"maxmemory_bytes": 0}, "maxmemory_unlimited"),
        ({"can_save": False}, "last_save_failed"),
        ({"clock_skew_ms": 6_000}, "clock_skew"),
        ({"clock_skew_ms": -6_000}, "clock_skew"),
    ],
)
def test_what_will_do_for_now_is_a_warning(changed, code):
    assert warnings(GOOD) == []
    (finding,) = warnings(replace(GOOD, **changed))
    assert (finding.code, finding.exit_code) == (code, 0)


@pytest.mark.parametrize(
    ("lasts_s", "warns"), [(None, False), (redis_doctor.LITTLE_ROOM_S, False), (600.0, True), (0.0, True)]
)
def test_little_room_is_a_warning_only_while_events_come(lasts_s, warns):
    assert bool(little_room(Headroom(10, 300, 1.0, lasts_s))) == warns
    assert little_room(None) == []


async def test_a_password_is_never_shown(client):
    told = await examine(client, Common(redis_url="redis://me:hunter2@127.0.0.1:1/0"), "memory")
    assert "hunter2" not in repr(told)

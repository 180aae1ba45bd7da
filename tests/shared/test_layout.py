import json

import pytest

from hookbus.shared import keys
from hookbus.shared.keys import HOME, Keys
from hookbus.shared.layout import MIGRATING, OlderLayoutError, claim, is_unused, read
from hookbus.shared.server import fetch
from hookbus.shared.settings import ConfigError

pytestmark = pytest.mark.both_loops


async def fields_of(client, key: str) -> dict[str, str]:
    flat = await client.execute_command("HGETALL", key)
    return {name.decode(): value.decode() for name, value in zip(flat[::2], flat[1::2], strict=True)}


async def test_an_empty_redis_is_claimed_with_layout_and_shards(client):
    assert await claim(client.execute_command, 2) == (0, 1)
    assert await fields_of(client, keys.META) == {"layout": str(keys.LAYOUT), "shards": "2"}
    for number in (0, 1):
        meta = {"layout": str(keys.LAYOUT), "shard": str(number), "generation": "0", "state": "open"}
        assert await fields_of(client, Keys(number).meta) == meta
    generations = await fields_of(client, HOME.generations)
    assert json.loads(generations["0"])["shards"] == [0, 1]
    assert await claim(client.execute_command, 2) == ()
    assert await read(client.execute_command) == (Keys(0), Keys(1))


async def test_another_shard_count_is_refused_and_leaves_the_first_one(client):
    await claim(client.execute_command, 4)
    with pytest.raises(ConfigError) as caught:
        await claim(client.execute_command, 2)
    assert caught.value.problems == ["shards: 2 here, but the data in Redis is spread over 4"]
    assert await client.execute_command("HGET", keys.META, "shards") == b"4"


async def test_of_two_programs_that_start_together_the_first_decides_about_the_shards(client):
    saw: list[object] = []

    async def slow(*command):
        if command[0] == "EVALSHA" and not saw:
            saw.append(await read(client.execute_command))
            await claim(client.execute_command, 4)
        return await client.execute_command(*command)

    with pytest.raises(ConfigError, match="shards: 2 here, but the data in Redis is spread over 4"):
        await claim(slow, 2)
    assert saw == [None]
    assert await read(client.execute_command) == tuple(map(Keys, range(4)))


async def test_another_layout_is_refused(client):
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT + 1)
    for look in (claim, is_unused):
        with pytest.raises(ConfigError, match=f"layout {keys.LAYOUT + 1} there, this release supports {keys.LAYOUT}"):
            await look(client.execute_command, 1)


async def test_a_second_generation_of_shards_is_refused(client):
    await claim(client.execute_command, 1)
    later = json.dumps({"shards": [1, 2], "since_ms": 1})
    await client.execute_command("HSET", HOME.generations, "1", later)
    with pytest.raises(ConfigError, match="several generations of shards"):
        await claim(client.execute_command, 1)


async def test_a_shard_that_came_back_empty_alone_is_told(client):
    await claim(client.execute_command, 3)
    await client.execute_command("DEL", Keys(1).meta)
    assert await claim(client.execute_command, 3) == (1,)
    assert await claim(client.execute_command, 3) == ()


async def test_looking_claims_nothing(client):
    await fetch(client.execute_command)
    assert await is_unused(client.execute_command, 4)
    assert await read(client.execute_command) is None
    assert await client.execute_command("DBSIZE") == 0
    await claim(client.execute_command, 4)
    assert not await is_unused(client.execute_command, 4)
    with pytest.raises(ConfigError, match="shards: 2 here"):
        await is_unused(client.execute_command, 2)


async def test_a_full_redis_that_has_the_layout_is_only_read(client):
    await claim(client.execute_command, 2)
    await client.execute_command("CONFIG", "SET", "maxmemory", "1")
    assert await claim(client.execute_command, 2) == ()


async def test_a_worker_can_write_the_layout_into_a_full_redis(client):
    await client.execute_command("CONFIG", "SET", "maxmemory", "1")
    assert await claim(client.execute_command, 2) == (0, 1)


async def test_data_of_an_older_layout_wait_for_a_worker(client):
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT - 1, "shards", 4)
    for look in (claim(client.execute_command, 4), read(client.execute_command), is_unused(client.execute_command, 4)):
        with pytest.raises(OlderLayoutError, match=f"data layout {keys.LAYOUT - 1} there") as caught:
            await look
        assert (caught.value.layout, caught.value.shards) == (keys.LAYOUT - 1, 4)


async def test_half_moved_data_are_not_taken_for_those_of_this_layout(client):
    moving = ("layout", keys.LAYOUT, "shards", 4, MIGRATING, keys.LAYOUT - 1)
    await client.execute_command("HSET", keys.META, *moving)
    with pytest.raises(OlderLayoutError):
        await claim(client.execute_command, 4)
    assert await client.execute_command("EXISTS", HOME.generations) == 0

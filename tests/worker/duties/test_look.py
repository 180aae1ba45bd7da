import asyncio

import pytest
from redis.exceptions import ResponseError

from hookbus.shared.connection import connect
from hookbus.worker.duties import look
from hookbus.worker.duties.look import Lookout
from hookbus.worker.inventory import pauses
from hookbus.worker.pipeline.unusable_keys import UnusableKeys
from tests.round_trips import RoundTrips
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, TYPE, commandstats, store
from tests.worker.lookouts import a_lookout


async def test_a_look_holds_the_types_and_the_pauses_of_every_group(client):
    await store(client, "wh_1")
    await pauses.write(client, [KEYS], GROUP, "batch.*")
    await pauses.write(client, [KEYS], "phone", TYPE, "full")
    lookout = a_lookout(client)
    await lookout.look()
    assert lookout.last.types == {TYPE}
    assert {group: list(patterns) for group, patterns in lookout.last.paused.items()} == {
        GROUP: ["batch.*"],
        "phone": [TYPE],
    }
    assert lookout.last.paused["phone"][TYPE].reason == "full"


async def test_a_look_takes_one_round_trip_and_three_commands_however_many_groups_there_are(server, client):
    for number in range(50):
        await pauses.write(client, [KEYS], f"group{number}", "*")
    async with RoundTrips(server.socket) as proxy:
        counted = connect(proxy.url, "tests", connections=1)
        lookout = a_lookout(counted)
        await lookout.look()
        before, commands = proxy.count, await commandstats(client)
        await lookout.look()
        assert proxy.count == before + 1
        after = await commandstats(client)
        assert {name for name in after if after[name] != commands.get(name)} - {"info"} == {
            "smembers",
            "hgetall",
            "zrange",
        }
        assert len(lookout.last.paused) == 50
        await counted.aclose()


@pytest.mark.parametrize("key", [KEYS.types, KEYS.paused])
async def test_g7_a_key_that_redis_refuses_stays_as_before_and_the_other_is_looked_at(client, key):
    unusable_keys = UnusableKeys()
    lookout = Lookout(client, KEYS, unusable_keys, asyncio.Event())
    await store(client, "wh_1")
    await pauses.write(client, [KEYS], GROUP, TYPE)
    await lookout.look()
    await client.delete(KEYS.types, KEYS.paused)
    await client.set(key, "a slip")
    await lookout.look()
    assert key in unusable_keys
    assert (bool(lookout.last.types), bool(lookout.last.paused)) == (key == KEYS.types, key == KEYS.paused)
    await client.delete(key)
    await lookout.look()
    assert key not in unusable_keys
    assert not lookout.last.types
    assert not lookout.last.paused


async def test_no_worker_starts_without_knowing_the_types(client):
    await client.set(KEYS.types, "a slip")
    lookout = a_lookout(client)
    with pytest.raises(ResponseError, match="wrong kind of value"):
        await lookout.look()


async def test_while_redis_is_unreachable_the_last_look_holds(monkeypatch, client, redis_url):
    monkeypatch.setattr(look, "INTERVAL_S", 0.01)
    stopping = asyncio.Event()
    other = connect(redis_url, "tests:other")
    lookout = a_lookout(other, stopping)
    await store(client, "wh_1")
    await lookout.look()
    found = lookout.last

    async def refused() -> None:
        raise ConnectionError("away")

    monkeypatch.setattr(lookout, "look", refused)
    running = asyncio.create_task(lookout.run())
    await asyncio.sleep(0.05)
    assert lookout.last is found
    monkeypatch.undo()
    await until(lambda: lookout.last is not found)
    stopping.set()
    await running
    await other.aclose()


async def test_all_who_wait_have_the_next_look_and_end_at_the_stop(client):
    stopping = asyncio.Event()
    lookout = a_lookout(client, stopping)
    first = lookout.last
    waiting = [asyncio.create_task(lookout.after(first)) for _ in range(3)]
    await asyncio.sleep(0)
    await lookout.look()
    assert {*await asyncio.gather(*waiting)} == {lookout.last} != {first}
    assert await lookout.after(first) is lookout.last
    late = asyncio.create_task(lookout.after(lookout.last))
    running = asyncio.create_task(lookout.run())
    await asyncio.sleep(0)
    stopping.set()
    async with asyncio.timeout(1):
        await late
        await running

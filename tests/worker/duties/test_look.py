import asyncio

import pytest
from redis.exceptions import ReadOnlyError, ResponseError

from hookbus.shared.connection import connect
from hookbus.worker.duties import look, same_host
from hookbus.worker.duties.look import QUIET_MS, Lookout
from hookbus.worker.inventory import pauses
from hookbus.worker.pipeline.unusable_keys import UnusableKeys
from tests.round_trips import RoundTrips
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, TYPE, commandstats, redeliver, register, store
from tests.worker.lookouts import a_lookout, looked


async def test_a_look_holds_the_types_the_redelivery_streams_and_the_pauses_of_every_group(client):
    await store(client, "wh_1")
    await redeliver(client, "wh_2")
    await pauses.write(client, [KEYS], GROUP, "batch.*")
    await pauses.write(client, [KEYS], "phone", TYPE, "full")
    lookout = a_lookout(client)
    await lookout.look()
    assert lookout.last.types == {TYPE}
    assert lookout.last.redeliveries == {GROUP: {TYPE}}
    assert {group: list(patterns) for group, patterns in lookout.last.paused.items()} == {
        GROUP: ["batch.*"],
        "phone": [TYPE],
    }
    assert lookout.last.paused["phone"][TYPE].reason == "full"


async def test_a_look_takes_one_round_trip_and_five_commands_however_many_groups_there_are(server, client):
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
            "zrangebyscore",
        }
        assert len(lookout.last.paused) == 50
        await counted.aclose()


async def test_a_look_holds_those_whose_liveness_key_has_expired(client):
    await register(client, "alive", left_s=5)
    await register(client, "dead", alive=False)
    lookout = await looked(client)
    assert lookout.last.expired is not None
    assert list(lookout.last.expired) == ["dead"]
    await client.execute_command("ZADD", KEYS.expiries, 1, "alive")
    await lookout.look()
    assert sorted(lookout.last.expired) == ["alive", "dead"]


async def test_the_liveness_key_of_a_process_that_ended_here_goes_and_the_look_tells_it(client, monkeypatch):
    monkeypatch.setattr(same_host, "has_ended", {"dead", "renewed"}.__contains__)
    for consumer in ("dead", "renewed", "quiet"):
        await register(client, consumer, left_s=QUIET_MS / 1000)
    await client.execute_command("PEXPIRE", KEYS.alive("renewed"), 9000)
    lookout = await looked(client)
    assert list(lookout.last.expired or ()) == ["dead"]
    assert not await client.execute_command("EXISTS", KEYS.alive("dead"))
    assert await client.execute_command("EXISTS", KEYS.alive("renewed"), KEYS.alive("quiet")) == 2


async def test_everyone_who_subscribed_is_called_after_a_look(client):
    lookout, seen = a_lookout(client), []
    lookout.subscribe(lambda: seen.append(lookout.last))
    await lookout.look()
    assert seen == [lookout.last]


@pytest.mark.parametrize("key", [KEYS.expiries, KEYS.due])
async def test_g7_a_refused_hint_is_no_hint_and_stops_nothing_else(client, key):
    await store(client, "wh_1")
    await client.set(key, "a slip")
    lookout = await looked(client)
    assert (lookout.last.expired is None, lookout.last.due_ms is None) == (key == KEYS.expiries, key == KEYS.due)
    assert lookout.last.types == {TYPE}


async def test_a_look_tells_when_the_next_delivery_of_each_group_is_due(client):
    await client.execute_command("ZADD", KEYS.due, 42, GROUP, 43, "phone")
    assert (await looked(client)).last.due_ms == {GROUP: 42.0, "phone": 43.0}


async def test_an_error_of_the_server_is_no_unusable_key(client, monkeypatch):
    lookout = await looked(client)
    last, refusal = lookout.last, ReadOnlyError("You can't write against a read only replica.")

    async def refuse(_client: object, commands: list, **_options: object) -> list[Exception]:
        return [refusal] * len(commands)

    monkeypatch.setattr(look, "execute_all", refuse)
    with pytest.raises(ReadOnlyError):
        await lookout.look()
    assert lookout.last is last


def kept(lookout: Lookout) -> list[str]:
    """The keys of which the last look holds something."""
    last = lookout.last
    found = {KEYS.types: last.types, KEYS.redeliveries: last.redeliveries, KEYS.paused: last.paused}
    return [key for key, content in found.items() if content]


@pytest.mark.parametrize("key", [KEYS.types, KEYS.redeliveries, KEYS.paused])
async def test_g7_a_key_that_redis_refuses_stays_as_before_and_the_others_are_looked_at(client, key):
    unusable_keys = UnusableKeys()
    lookout = Lookout(client, KEYS, unusable_keys, asyncio.Event())
    await store(client, "wh_1")
    await redeliver(client, "wh_2")
    await pauses.write(client, [KEYS], GROUP, TYPE)
    await lookout.look()
    await client.delete(KEYS.types, KEYS.redeliveries, KEYS.paused)
    await client.set(key, "a slip")
    await lookout.look()
    assert key in unusable_keys
    found = {
        KEYS.types: lookout.last.types,
        KEYS.redeliveries: lookout.last.redeliveries,
        KEYS.paused: lookout.last.paused,
    }
    assert [name for name, kept in found.items() if kept] == [key]
    await client.delete(key)
    await lookout.look()
    assert key not in unusable_keys
    assert kept(lookout) == []


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
    await asyncio.sleep(0)
    stopping.set()
    async with asyncio.timeout(1):
        await lookout.run()  # it looks no more
        await late

"""The hint of who fell silent, and the end of a liveness key."""

from hookbus.shared import scripts
from hookbus.worker.inventory import expiries
from tests.worker.builders import GROUP, KEYS, register


async def members(client) -> list[bytes]:
    return await client.execute_command("ZRANGE", KEYS.expiries, 0, -1)


async def test_lapse_loses_the_race_against_a_renewal(client):
    """The key was renewed after another consumer had found it without a renewal."""
    await register(client, "dead", left_s=9)
    before = await client.execute_command("ZSCORE", KEYS.expiries, "dead")
    call = expiries.lapse(KEYS, "dead", 7000)
    assert await scripts.run(client, call) == 0
    assert await client.execute_command("ZSCORE", KEYS.expiries, "dead") == before
    await client.execute_command("PEXPIRE", KEYS.alive("dead"), 6999)
    assert [await scripts.run(client, call) for _ in range(2)] == [1, 1]
    assert await client.execute_command("ZSCORE", KEYS.expiries, "dead") < before


async def test_lapse_leaves_a_key_without_an_expiry_and_adds_no_consumer_that_is_unknown(client):
    await register(client, "eternal")
    assert await scripts.run(client, expiries.lapse(KEYS, "eternal")) == 0
    await client.delete(KEYS.expiries)
    assert await scripts.run(client, expiries.lapse(KEYS, "unknown")) == 1
    assert await members(client) == []


async def test_g4_lapse_works_where_the_hint_cannot_be_written_and_in_a_full_redis(client):
    for consumer in ("one", "two"):
        await register(client, consumer, left_s=9)
    await client.execute_command("CONFIG", "SET", "maxmemory", 1)
    assert await scripts.run(client, expiries.lapse(KEYS, "one")) == 1
    await client.execute_command("CONFIG", "SET", "maxmemory", 0)
    await client.set(KEYS.expiries, "a slip")
    assert await scripts.run(client, expiries.lapse(KEYS, "two")) == 1
    assert not await client.execute_command("EXISTS", KEYS.alive("one"), KEYS.alive("two"))


async def test_an_announcement_lets_the_living_be(client):
    await register(client, "alive", left_s=9)
    before = await client.execute_command("ZSCORE", KEYS.expiries, "alive")
    await client.execute_command(*expiries.announce(KEYS, ["alive", "new"]))
    assert await members(client) == [b"new", b"alive"]
    assert await client.execute_command("ZSCORE", KEYS.expiries, "alive") == before


def test_a_group_asks_about_consumers_and_its_own_handover_once_for_each_change():
    other = expiries.handover("phone")
    assert expiries.news({"dead": 5, other: 6}, {}, GROUP)
    assert not expiries.news({"dead": 5, other: 6}, {"dead": 5}, GROUP)
    assert expiries.news({"dead": 7}, {"dead": 5}, GROUP)  # it came back meanwhile, and died
    assert expiries.news({expiries.handover(GROUP): 6}, {"dead": 5}, GROUP)
    assert not expiries.news({}, {"dead": 5}, GROUP)

"""Removes one type of a group and nothing else; refuses while a consumer may read it."""

import pytest

from hookbus.shared import scripts
from hookbus.shared.command import FailedError
from hookbus.shared.keys import Keys
from hookbus.worker.groups.forget import GroupDeletion
from hookbus.worker.groups.forget_type import TypeDeletion
from hookbus.worker.inventory.readers import register
from hookbus.worker.inventory.redeliveries import relist
from tests.worker.builders import TYPE, store
from tests.worker.commands import objects
from tests.worker.dead_letters import letter, store_letters
from tests.worker.groups.test_forget import everything

SHARDS = (Keys(0), Keys(1))
GONE = "batch.failed"


async def dropped(client) -> None:
    """A group with every kind of key, also of a type that it no longer subscribes to, and a live worker."""
    await everything(client)
    await store(client, "wh_9", event_type=GONE)
    for keys in SHARDS:
        await client.execute_command("XGROUP", "CREATE", keys.stream(GONE), "billing", "0", "MKSTREAM")
        await client.execute_command("XADD", keys.redelivery(GONE, "billing"), "*", "id", "x", "body", "{}")
        await scripts.run(client, relist(keys, "billing", GONE))
        await client.execute_command("ZADD", keys.delayed("billing"), 1, f"{GONE}||1-0")
        await client.execute_command("ZADD", keys.snoozed("billing"), 1, f"{GONE}||1-0")
        await client.execute_command("HSET", keys.delayed_data("billing"), f"{GONE}||1-0", "x")
        await client.execute_command("HSET", keys.patterns, "billing", TYPE)
        await client.execute_command("HSET", keys.left, f"{GONE}|billing", 1)
    await store_letters(client, letter("wh_8", type=GONE), shards=2)
    await add_live_consumer(client, "worker", TYPE)


async def add_live_consumer(client, name: str, *patterns: str) -> None:
    for keys in SHARDS:
        await client.execute_command("HSET", keys.consumers("billing"), name, register(1, patterns, ""))
        await client.execute_command("SET", keys.alive(name), 1)


async def of_type(client) -> list[str]:
    """Every place with data of the type in the group."""
    found = []
    for keys in SHARDS:
        groups = await client.execute_command("XINFO", "GROUPS", keys.stream(GONE))
        found += ["place" for flat in groups if flat[1] == b"billing"]
        found += ["stream"] * await client.execute_command("EXISTS", keys.redelivery(GONE, "billing"))
        for names in (
            await client.execute_command("ZRANGE", keys.delayed("billing"), 0, -1),
            await client.execute_command("HKEYS", keys.delayed_data("billing")),
            await client.execute_command("ZRANGE", keys.snoozed("billing"), 0, -1),
        ):
            found += [name.decode() for name in names if name.startswith(GONE.encode())]
        found += map(bytes.decode, await client.execute_command("HKEYS", keys.left))
        listed = await client.execute_command("SMEMBERS", keys.redeliveries)
        found += [member.decode() for member in listed if GONE.encode() in member]
    return found


async def test_the_type_is_removed_beside_a_worker_that_does_not_read_it(client):
    await dropped(client)
    before = (await GroupDeletion(client, SHARDS, "billing").fetch()).types
    duty = await TypeDeletion.open(client, 2, "billing", GONE)
    found = await duty.fetch()
    assert (found.alive, list(found.types)) == ([], [GONE])
    counts = found.types[GONE]
    assert (counts.backlog, counts.delayed, counts.dead) == (3, 2, 1)
    await duty.run()
    assert await of_type(client) == []
    after = (await GroupDeletion(client, SHARDS, "billing").fetch()).types
    assert after == {name: counts for name, counts in before.items() if name != GONE}
    await duty.run()  # as after a kill in the middle


@pytest.mark.parametrize("patterns", [("batch.*",), ("*",), ()])
async def test_nothing_is_removed_while_a_consumer_may_read_it(client, patterns):
    await dropped(client)
    before = await of_type(client)
    await add_live_consumer(client, "reader", *patterns)
    duty = await TypeDeletion.open(client, 2, "billing", GONE)
    assert (await duty.fetch()).alive == ["reader"]
    with pytest.raises(FailedError, match="reader"):
        await duty.run()
    assert await of_type(client) == before


async def test_it_loses_the_race_against_a_worker_that_has_just_come(client):
    await dropped(client)
    duty = await TypeDeletion.open(client, 2, "billing", GONE)
    await add_live_consumer(client, "new", GONE)
    with pytest.raises(FailedError, match="new"):
        await duty.run()


async def test_a_type_that_the_group_subscribes_to_is_not_forgotten(client):
    await dropped(client)
    with pytest.raises(FailedError, match=f"subscribes to {TYPE}: start its workers without"):
        await TypeDeletion.open(client, 2, "billing", TYPE)


async def test_a_misspelt_type_is_not_counted_as_none_but_answered_with_the_nearest(client):
    await dropped(client)
    with pytest.raises(FailedError, match=f"matches no event type that is known here; did you mean {GONE}"):
        await TypeDeletion.open(client, 2, "billing", "batch.fail")


async def test_the_command_shows_the_type_and_then_removes_it(client, redis_url):
    await dropped(client)
    args = ("forget", "billing", "--type", GONE, "--json")
    (summary,) = objects(redis_url, *args, "--dry-run")
    assert (summary["unhandled"], summary["dead"], list(summary["types"])) == (5, 1, [GONE])
    assert await of_type(client)
    objects(redis_url, *args, "--yes")
    assert await of_type(client) == []


async def test_a_foreign_consumer_group_can_be_forgotten_when_it_is_idle(client, monkeypatch):
    await store(client, "wh_1")
    await everything(client)
    await client.execute_command("XGROUP", "CREATE", SHARDS[0].stream(TYPE), "audit", "0")
    await client.execute_command("XREADGROUP", "GROUP", "audit", "who", "STREAMS", SHARDS[0].stream(TYPE), ">")
    assert (await (await GroupDeletion.open(client, 2, "audit")).fetch()).alive == ["who"]
    monkeypatch.setattr("hookbus.worker.inspect.status.ABANDONED_S", 0)
    duty = await GroupDeletion.open(client, 2, "audit")
    assert (await duty.fetch()).alive == []
    await duty.run()
    groups = await client.execute_command("XINFO", "GROUPS", SHARDS[0].stream(TYPE))
    assert [flat[1] for flat in groups] == [b"billing"]

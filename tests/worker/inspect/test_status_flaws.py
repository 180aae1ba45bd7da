"""What a status tells of deliveries that nobody reads, and of keys that cannot be read."""

import pytest

from hookbus.shared.keys import listed_as
from hookbus.worker.inspect import status
from hookbus.worker.inventory.readers import register
from tests.worker.builders import a_membership
from tests.worker.dead_letters import create_groups, subscribe
from tests.worker.inspect.stored import KEYS, MAIN, TYPE, add

pytestmark = pytest.mark.both_loops


async def add_live_consumer(client, name: str, *patterns: str, only: str = "") -> None:
    await client.execute_command("HSET", KEYS.consumers("billing"), name, register(1, patterns, only))
    await client.execute_command("SET", KEYS.alive(name), 1)


async def test_waiting_events_that_no_live_consumer_reads_are_reported(client):
    await create_groups(client)
    await a_membership(client, KEYS, "billing", "earliest").join([TYPE, "batch.failed"])
    await add(client, MAIN, 2)
    await add(client, KEYS.stream("batch.failed"), 3, event_type="batch.failed")
    assert (await status.fetch(client, 1)).groups["billing"].unread == {}  # no live consumer: a different problem
    await add_live_consumer(client, "one", "response.*")
    await add_live_consumer(client, "two", "*", only="response.*")
    found = (await status.fetch(client, 1)).groups["billing"]
    assert (found.unread, found.disputed) == ({"batch.failed": 3}, ["*", "response.*"])
    await client.execute_command("HSET", KEYS.consumers("billing"), "old", "{}")
    await client.execute_command("SET", KEYS.alive("old"), 1)
    assert (await status.fetch(client, 1)).groups["billing"].unread == {}  # a consumer of another release may read it


async def test_waiting_deliveries_of_a_type_that_neither_patterns_nor_a_live_consumer_cover_are_reported(client):
    await create_groups(client)
    member = a_membership(client, KEYS, "billing", "earliest")
    await member.join([TYPE, "batch.failed"])
    await add(client, MAIN, 2)
    await add(client, KEYS.stream("batch.failed"), 3, event_type="batch.failed")
    await subscribe(client, TYPE)  # the last worker to start dropped the other
    found = (await status.fetch(client, 1)).groups["billing"]
    assert (found.unsubscribed, found.unread) == ({"batch.failed": 3}, {})  # with workers or without
    await add_live_consumer(client, "new", TYPE)
    found = (await status.fetch(client, 1)).groups["billing"]
    assert (found.unsubscribed, found.unread) == ({"batch.failed": 3}, {})
    await add_live_consumer(client, "old", TYPE, "batch.*")
    assert (await status.fetch(client, 1)).groups["billing"].unsubscribed == {}  # a rollout


async def test_redeliveries_of_an_unsubscribed_type_are_reported_too(client):
    await create_groups(client)
    await a_membership(client, KEYS, "billing", "earliest").join([TYPE])
    await subscribe(client, TYPE)
    await add(client, KEYS.redelivery("batch.failed", "billing"), event_type="batch.failed")
    assert (await status.fetch(client, 1)).groups["billing"].unsubscribed == {"batch.failed": 1}


async def test_g7_an_unusable_key_is_reported_and_leaves_all_other_figures(client):
    await create_groups(client, "billing", "phone")
    await add(client, MAIN, 2)
    bad = [
        KEYS.stream("batch.failed"),
        *(key("phone") for key in (KEYS.delayed, KEYS.snoozed, KEYS.dead, KEYS.consumers)),
    ]
    bad += [KEYS.paused, KEYS.suspended, KEYS.due, KEYS.expiries, KEYS.redelivery(TYPE, "phone")]
    for key in bad:
        await client.execute_command("SET", key, "a slip")
    await client.execute_command("SADD", KEYS.redeliveries, listed_as(TYPE, "phone"))
    await a_membership(client, KEYS, "billing", "earliest").join([TYPE])
    found = await status.fetch(client, 1)
    assert set(found.unusable) == set(bad)
    assert all("wrong kind of value" in why for why in found.unusable.values())
    assert found.groups["billing"].types[TYPE].backlog == 2


@pytest.mark.parametrize("name", list(status._commands(KEYS)))
async def test_g7_a_key_of_all_groups_that_is_unusable_is_reported_too(client, name):
    await create_groups(client, "billing")
    await add(client, MAIN, 2)
    key = status._commands(KEYS)[name][1]
    await client.execute_command("DEL", key)
    await client.execute_command("SET", key, "a slip")
    found = await status.fetch(client, 1)
    assert set(found.unusable) == {key}
    assert [*found.groups] == ([] if name == "groups" else ["billing"])

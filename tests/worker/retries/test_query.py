import re

import pytest

from hookbus.shared.keys import Keys
from hookbus.worker.retries import query
from hookbus.worker.retries.query import Retries
from hookbus.worker.retries.waiting import Filter
from tests.worker.parked import TYPE, park, queue

KEYS = Keys(0)
LATER_MS = 4_000_000_000_000


def retries(client, shards: int = 1) -> Retries:
    return Retries(client, [Keys(i) for i in range(shards)], ["billing", "phone"])


async def names(client, criteria: Filter = Filter(), shards: int = 1) -> list[str]:  # noqa: B008 - immutable
    return [each.entry.webhook_id async for each in retries(client, shards).walk(criteria)]


@pytest.mark.parametrize("shards", [1, 3])
async def test_what_is_queued_and_parked_comes_in_the_order_in_which_it_is_due(client, shards):
    await park(client, *(f"wh_p{i}" for i in range(9)), due_ms=LATER_MS, shards=shards)
    await park(client, "wh_phone", group="phone", due_ms=LATER_MS - 1, is_snooze=True)
    await queue(client, "wh_q0", "wh_q1", shards=shards)
    await queue(client, "wh_q2", event_type="batch.failed", shards=shards)
    found = [each async for each in retries(client, shards).walk(Filter())]
    assert sorted(each.entry.webhook_id for each in found[:3]) == ["wh_q0", "wh_q1", "wh_q2"]
    assert [each.entry.webhook_id for each in found[3:]] == ["wh_phone", *(f"wh_p{i}" for i in range(9))]
    assert [each.state for each in found[2:5]] == ["queued", "snoozed", "parked"]
    assert (found[4].error_class, found[4].entry.attempt, found[4].entry.body) == ("ValueError", 3, b"\x00\xff{}")


async def test_filters_select_by_group_type_and_state(client):
    await park(client, "wh_1")
    await park(client, "wh_2", event_type="batch.failed", is_snooze=True)
    await park(client, "wh_3", group="phone", error="KeyError: 'a'")
    await queue(client, "wh_4", event_type="batch.failed")
    assert await names(client, Filter(groups=("phone",))) == ["wh_3"]
    assert await names(client, Filter(types=("batch.*",))) == ["wh_4", "wh_2"]
    assert await names(client, Filter(types=("batch.*",), states=("snoozed", "parked"))) == ["wh_2"]
    assert await names(client, Filter(states=("queued",))) == ["wh_4"]
    assert await names(client, Filter(errors=("KeyError",))) == ["wh_3"]
    assert await names(client, Filter(types=("batch.completed",))) == []


async def test_what_a_worker_has_in_hand_does_not_wait(client):
    await queue(client, "wh_1", "wh_2")
    stream = KEYS.redelivery(TYPE, "billing")
    await client.execute_command("XREADGROUP", "GROUP", "billing", "c", "COUNT", 1, "STREAMS", stream, ">")
    assert await names(client) == ["wh_2"]


@pytest.mark.parametrize("step_ms", [0, 1])
async def test_pages_continue_without_a_gap_or_a_repeat(client, monkeypatch, step_ms):
    monkeypatch.setattr(query, "AHEAD", 4)
    monkeypatch.setattr(query, "MIN_AHEAD", 4)
    wanted = [f"wh_{i:02}" for i in range(25)]
    await park(client, *wanted, due_ms=LATER_MS, step_ms=step_ms)
    await queue(client, *(f"wh_q{i}" for i in range(5)))
    found, after = [], query.START
    while page := await retries(client).page(Filter(), 7, after):
        assert len(page) <= 7
        found += [each.entry.webhook_id for each in page]
        after = page[-1].place
    assert found[:5] == [f"wh_q{i}" for i in range(5)]
    assert sorted(found[5:]) == wanted
    assert len(found) == 30


async def test_what_cannot_be_read_is_named_and_skipped(client):
    await park(client, "wh_1")
    [broken] = await park(client, "wh_2", event_type="batch.failed")
    await client.execute_command("HSET", KEYS.delayed_data("billing"), broken, "damaged")
    await queue(client, "wh_3")
    await client.execute_command("XADD", KEYS.redelivery(TYPE, "billing"), "9999999999999-0", "not", "ours")
    found = retries(client)
    assert [each.entry.webhook_id async for each in found.walk(Filter())] == ["wh_3", "wh_1"]
    assert sorted(found.unreadable) == [broken, f"{TYPE}|billing|9999999999999-0"]


async def test_without_anything_that_waits_nothing_is_found(client):
    assert await names(client) == []
    assert await retries(client).page(Filter(), 5) == []


async def test_any_number_that_is_due_at_once_is_read_in_few_commands(client, monkeypatch):
    monkeypatch.setattr(query, "AHEAD", 10)
    await park(client, *(f"wh_{i}" for i in range(1500)), due_ms=LATER_MS, step_ms=0)
    before = await calls(client)
    assert len(await names(client, Filter(states=("parked",)))) == 1500
    assert await calls(client) - before < 20


async def calls(client) -> int:
    """How often ZRANGEBYSCORE ran."""
    text = (await client.execute_command("INFO", "commandstats")).decode()
    return sum(map(int, re.findall(r"cmdstat_zrangebyscore:calls=(\d+)", text)))


async def test_a_consumer_group_of_others_on_a_redelivery_stream_hides_nothing(client):
    await queue(client, "wh_1")
    stream = KEYS.redelivery(TYPE, "billing")
    await client.execute_command("XGROUP", "CREATE", stream, "aaa", "$")
    assert await names(client) == ["wh_1"]

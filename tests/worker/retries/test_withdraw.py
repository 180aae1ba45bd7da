import asyncio

import pytest

from hookbus.shared import scripts
from hookbus.shared.clock import now_ms
from hookbus.shared.keys import Keys
from hookbus.worker.dlq.filter import Filter as LetterFilter
from hookbus.worker.dlq.query import StoredLetter
from hookbus.worker.retries.query import Retries
from hookbus.worker.retries.waiting import Filter, Waiting
from hookbus.worker.retries.withdraw import hasten, withdraw
from tests.worker.dead_letters import create_groups, letter, opened, store_letters
from tests.worker.duties.test_promote import promoted, promoter
from tests.worker.parked import ENDED_MS, TYPE, an_entry, park, queue

KEYS = Keys(0)
DEAD_MS = 1_800_000_000_000
SUBSCRIBED = {"billing": frozenset({"response.*"})}
STREAM = KEYS.redelivery(TYPE, "billing")
PARKED = (KEYS.delayed("billing"), KEYS.delayed_data("billing"), KEYS.snoozed("billing"))


async def waiting(client) -> list[Waiting]:
    return [each async for each in Retries(client, [KEYS], ["billing"]).walk(Filter())]


async def withdrawn(client, found: list[Waiting]) -> list[int]:
    return await scripts.run_all(client, [withdraw(each, SUBSCRIBED, DEAD_MS) for each in found])


async def dead(client) -> list[StoredLetter]:
    return (await (await opened(client)).page(LetterFilter(), 100)).letters


async def test_a_hastened_delivery_is_due_at_once(client):
    [later, far] = await park(client, "wh_1", "wh_2", is_snooze=True)
    [found, _] = await waiting(client)
    assert await scripts.run(client, hasten(found, now_ms())) == 1
    assert await client.execute_command("ZSCORE", KEYS.due, "billing") == b"%d" % int(
        await client.execute_command("ZSCORE", KEYS.delayed("billing"), later)
    )
    await promoter(client)._round()
    assert await promoted(client) == ["wh_1"]
    assert await client.execute_command("ZRANGE", KEYS.delayed("billing"), 0, -1) == [far.encode()]


async def test_hasten_loses_the_race_against_a_worker(client):
    await park(client, "wh_1", "wh_2", "wh_3", due_ms=now_ms() - 10, step_ms=30_000)
    due, parked_again, promoted_ = await waiting(client)
    await client.execute_command("ZADD", KEYS.delayed("billing"), parked_again.due_ms + 1, parked_again.name)
    await client.execute_command("ZREM", KEYS.delayed("billing"), promoted_.name)
    before = await client.execute_command("ZRANGE", KEYS.delayed("billing"), 0, -1, "WITHSCORES")
    calls = [hasten(each, now_ms()) for each in (due, parked_again, promoted_)]
    assert await scripts.run_all(client, calls) == [0, 0, 0]
    assert await client.execute_command("ZRANGE", KEYS.delayed("billing"), 0, -1, "WITHSCORES") == before


@pytest.mark.parametrize("wait", [park, queue])
async def test_a_withdrawn_delivery_is_a_dead_letter_with_its_last_error(client, wait):
    await create_groups(client, "billing")
    await wait(client, "wh_1", error="ValueError: no such: customer")
    assert await withdrawn(client, await waiting(client)) == [1]
    [found] = await dead(client)
    record, entry = found.letter, an_entry("wh_1", "ValueError: no such: customer")
    assert (found.name, found.dead_lettered_ms, record.dead_lettered_at_ms) == ("wh_1", DEAD_MS, DEAD_MS)
    assert (record.reason, record.error_class, record.message) == ("withdrawn", "ValueError", "no such: customer")
    assert (record.attempts, record.history, record.body) == (2, entry.history, entry.body)
    assert (record.source, record.received_at_ms, record.traceparent) == ("openai", ENDED_MS - 60_000, "00-trace")
    assert await client.execute_command("EXISTS", *PARKED, STREAM, KEYS.redeliveries) == 0
    [summary] = await (await opened(client)).summaries(LetterFilter(reasons=("withdrawn",)))
    assert (summary.count, summary.fingerprint) == (1, record.fingerprint)


@pytest.mark.parametrize("wait", [park, queue])
async def test_of_a_type_that_the_group_does_not_subscribe_to_the_letter_says_so(client, wait):
    await create_groups(client, "billing")
    await wait(client, "wh_1", event_type="eval.run.failed")
    assert await withdrawn(client, await waiting(client)) == [1]
    [found] = await dead(client)
    assert found.letter.reason == "unsubscribed"
    assert found.letter.message == "billing does not subscribe to eval.run.failed"


async def test_what_never_ran_is_withdrawn_without_an_error(client):
    await create_groups(client, "billing")
    await queue(client, "wh_1")
    assert await withdrawn(client, await waiting(client)) == [1]
    [found] = await dead(client)
    assert (found.letter.error_class, found.letter.attempts) == ("Withdrawn", 0)


@pytest.mark.parametrize("wait", [park, queue])
async def test_letters_of_one_webhook_id_are_all_kept(client, wait):
    await create_groups(client, "billing")
    await store_letters(client, letter("wh_1"))
    await wait(client, "wh_1")
    assert await withdrawn(client, await waiting(client)) == [1]
    first, second = sorted(each.name for each in await dead(client))
    assert (first, second.partition("~")[0]) == ("wh_1", "wh_1")
    assert len(await (await opened(client)).find(LetterFilter(names=(second,)))) == 1


async def test_withdraw_parked_loses_the_race_against_a_worker(client):
    await create_groups(client, "billing")
    await park(client, "wh_1", "wh_2")
    promoted_, parked_again = found = await waiting(client)
    await client.execute_command("ZREM", KEYS.delayed("billing"), promoted_.name)
    await client.execute_command("ZADD", KEYS.delayed("billing"), parked_again.due_ms + 1, parked_again.name)
    assert await withdrawn(client, found) == [0, 0]
    assert await dead(client) == []
    assert await client.execute_command("ZCARD", KEYS.delayed("billing")) == 1


async def test_withdraw_loses_the_race_against_a_worker(client):
    await create_groups(client, "billing")
    received, settled = await queue(client, "wh_1", "wh_2")
    found = await waiting(client)
    await client.execute_command("XREADGROUP", "GROUP", "billing", "c", "STREAMS", STREAM, ">")
    await client.execute_command("XACK", STREAM, "billing", settled)
    await client.execute_command("XDEL", STREAM, settled)
    assert await withdrawn(client, found) == [0, 0]
    assert await dead(client) == []
    assert [entry_id for entry_id, _ in await client.execute_command("XRANGE", STREAM, "-", "+")] == [received]


async def test_two_tools_at_once_make_one_letter_of_each(client):
    await create_groups(client, "billing")
    await park(client, *(f"wh_p{i}" for i in range(25)), is_snooze=True)
    await queue(client, *(f"wh_q{i}" for i in range(25)))
    found = await waiting(client)
    first, second = await asyncio.gather(withdrawn(client, found), withdrawn(client, found))
    assert [a + b for a, b in zip(first, second, strict=True)] == [1] * 50
    assert len({each.letter.webhook_id for each in await dead(client)}) == 50
    assert await client.execute_command("EXISTS", *PARKED, STREAM) == 0


@pytest.mark.parametrize("put", [park, queue])
async def test_a_key_of_another_type_fails_before_anything_is_moved(client, put):
    await create_groups(client, "billing")
    await put(client, "wh_1")
    await client.execute_command("SET", KEYS.dead("billing"), "x")
    [result] = await scripts.run_all(client, [withdraw(each, SUBSCRIBED, DEAD_MS) for each in await waiting(client)])
    assert isinstance(result, Exception)
    assert len(await waiting(client)) == 1
    assert await client.execute_command("EXISTS", KEYS.dead_data("billing")) == 0

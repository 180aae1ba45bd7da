import asyncio

from hookbus.shared import entry, scripts
from hookbus.shared.entry import Entry, Failure
from hookbus.shared.keys import Keys
from hookbus.worker.dlq import unsubscribed
from hookbus.worker.dlq.filter import Filter
from hookbus.worker.dlq.moves import Moves
from hookbus.worker.dlq.query import StoredLetter
from hookbus.worker.dlq.unsubscribed import Redelivery, UnsubscribedType
from hookbus.worker.inventory.redeliveries import relist
from tests.worker.dead_letters import create_groups, letter, opened, store_letters

KEYS = Keys(0)
GONE = "eval.run.failed"
STREAM = KEYS.redelivery(GONE, "billing")
RECALLED_MS = 1_800_000_000_000
FAILURE = Failure(2, 1_700_000_000_000, 5, "host.1.abcd", "ValueError: no such customer")


async def subscribe(client, group: str = "billing", patterns: str = "response.*") -> None:
    await create_groups(client, group)
    await client.execute_command("HSET", KEYS.patterns, group, patterns)


async def redeliver(client, name: str = "wh_1", event_type: str = GONE, group: str = "billing") -> bytes:
    await client.execute_command("SADD", KEYS.types, event_type)
    found = Entry(name, "openai", 1_699_999_999_000, b"\x00\xff{}", "00-trace", is_replay=True)
    fields = entry.redelivery_fields(found, 3, (FAILURE,))
    entry_id = await client.execute_command("XADD", KEYS.redelivery(event_type, group), "*", *fields)
    await scripts.run(client, relist(KEYS, group, event_type))
    return entry_id


async def recall_all(client) -> list[int]:
    """The result of each recall."""
    types = await unsubscribed.fetch(client, [KEYS])
    batches = [batch async for batch in unsubscribed.walk(client, types, RECALLED_MS * 2, 2)]
    assert all(len(batch) <= 2 for batch in batches)
    return await scripts.run_all(
        client, [unsubscribed.recall(each, RECALLED_MS) for batch in batches for each in batch]
    )


async def dead(client) -> list[StoredLetter]:
    return (await (await opened(client)).page(Filter(), 100)).letters


async def test_only_types_that_the_patterns_of_a_group_exclude_are_unsubscribed(client):
    await subscribe(client)
    await subscribe(client, "audit", "*")
    await create_groups(client, "silent")
    for group in ("billing", "audit", "silent"):
        for event_type in (GONE, "response.completed", "made.up"):
            await redeliver(client, event_type=event_type, group=group)
    await redeliver(client)
    found = [(item.group, item.type, item.waiting) for item in await unsubscribed.fetch(client, [KEYS])]
    assert found == [("billing", GONE, 2), ("billing", "made.up", 1)]


async def test_a_redriven_letter_of_an_unsubscribed_type_is_recalled_with_all_its_fields(client):
    await subscribe(client)
    await store_letters(client, record := letter("wh_1", type=GONE))
    store = await opened(client)
    [batch] = [batch async for batch in store.walk(Filter(), 10)]
    assert await Moves(client, store.shards).redrive(batch) == [1]
    assert await dead(client) == []
    assert await recall_all(client) == [1]
    [recalled] = await dead(client)
    assert (recalled.name, recalled.dead_lettered_ms) == ("wh_1", RECALLED_MS)
    assert (recalled.letter.reason, recalled.letter.attempts) == ("unsubscribed", 0)
    assert recalled.letter.message == f"billing does not subscribe to {GONE}"
    assert recalled.letter.entry() == record.entry()
    assert await client.execute_command("XLEN", STREAM) == 0
    [summary] = await store.summaries(Filter(reasons=("unsubscribed",)))
    assert (summary.count, summary.fingerprint) == (1, recalled.letter.fingerprint)


async def test_redeliveries_are_recalled_in_batches_and_keep_attempts_and_history(client):
    await subscribe(client)
    for i in range(5):
        await redeliver(client, f"wh_{i}")
    await client.execute_command("XADD", STREAM, "*", "not", "ours")
    assert await recall_all(client) == [1] * 5
    found = await dead(client)
    assert sorted(each.name for each in found) == [f"wh_{i}" for i in range(5)]
    assert {(each.letter.attempts, each.letter.history, each.letter.is_replay) for each in found} == {
        (2, (FAILURE,), True)
    }
    assert await client.execute_command("XLEN", STREAM) == 1


async def test_letters_of_one_webhook_id_are_both_kept(client):
    await subscribe(client)
    await store_letters(client, letter("wh_1", type=GONE))
    entry_id = await redeliver(client, "wh_1")
    assert await recall_all(client) == [1]
    assert {each.name for each in await dead(client)} == {"wh_1", f"wh_1~{entry_id.decode()}"}


async def test_recall_loses_the_race_against_a_worker(client):
    await subscribe(client)
    entry_id = await redeliver(client)
    await client.execute_command("XREADGROUP", "GROUP", "billing", "c", "STREAMS", STREAM, ">")
    assert await recall_all(client) == [0]
    assert await client.execute_command("XLEN", STREAM) == 1
    await client.execute_command("XACK", STREAM, "billing", entry_id)
    await client.execute_command("XDEL", STREAM, entry_id)
    removed = Redelivery(UnsubscribedType(KEYS, "billing", GONE, 1), entry_id, Entry("wh_1", "openai", 1, b"{}"))
    assert await scripts.run(client, unsubscribed.recall(removed, RECALLED_MS)) == 0
    assert await dead(client) == []


async def test_two_recalls_at_once_make_one_letter_of_each(client):
    await subscribe(client)
    for i in range(50):
        await redeliver(client, f"wh_{i}")
    first, second = await asyncio.gather(recall_all(client), recall_all(client))
    assert sum(first) + sum(second) == 50
    assert sorted(each.name for each in await dead(client)) == sorted(f"wh_{i}" for i in range(50))

import asyncio

import pytest
from redis.exceptions import ResponseError

from hookbus.shared import entry, scripts
from hookbus.shared.command import FailedError
from hookbus.shared.connection import connect
from hookbus.shared.keys import Keys
from hookbus.worker.dlq.bulk import Tally, move_all
from hookbus.worker.dlq.filter import Filter
from hookbus.worker.dlq.moves import Moves, remove_letter, restore
from hookbus.worker.dlq.query import DeadLetters, StoredLetter
from hookbus.worker.inspect import status
from tests.worker.dead_letters import DEAD_MS, create_groups, keys_left, letter, opened, store_letters

KEYS = Keys(0)
ALL = Filter()
AGAIN_MS = 4_000_000_000_000
"""When letters are dead-lettered again: after any snapshot."""
STREAM = KEYS.redelivery("response.completed", "billing")


async def ready(client, *letters, groups=("billing", "phone")) -> tuple[DeadLetters, Moves]:
    await create_groups(client, *groups)
    await store_letters(client, *letters)
    store = await opened(client)
    return store, Moves(client, store.shards)


async def entries(client, stream: str = STREAM) -> list[entry.Entry]:
    return [entry.parse(fields) for _, fields in await client.execute_command("XRANGE", stream, "-", "+")]


async def dead_names(store: DeadLetters) -> set[str]:
    return {dead.name async for batch in store.walk(ALL, 100) for dead in batch}


async def move(store: DeadLetters, act, *, batch=5, rate=0.0, stopping=None, progressed=lambda _: None) -> Tally:
    stopping = stopping or asyncio.Event()
    return await move_all(store.walk(ALL, batch), act, rate=rate, stopping=stopping, progressed=progressed)


async def test_a_redriven_letter_goes_to_its_own_group_unchanged_at_attempt_1(client):
    record = letter("wh_1", body=b"\x00\xff{}")
    store, moves = await ready(client, record, letter("wh_1", group="phone"))
    assert await moves.redrive(await store.find(Filter(names=("wh_1",), groups=("billing",)))) == [1]
    (found,) = await entries(client)
    assert found == record.entry()
    assert (found.attempt, found.body, found.history) == (1, b"\x00\xff{}", record.history)
    assert await client.execute_command("EXISTS", KEYS.redelivery("response.completed", "phone")) == 0
    assert await client.execute_command("XLEN", KEYS.stream("response.completed")) == 0
    assert [dead.group for dead in await store.find(Filter(names=("wh_1",)))] == ["phone"]


async def test_g2_a_redriven_letter_is_backlog_of_its_group_even_when_no_worker_ever_joined(client):
    store, moves = await ready(client, letter("wh_1", type="never.heard.of"))
    await moves.redrive(await store.find(Filter(names=("wh_1",))))
    found = await status.fetch(client, 1)
    assert found.groups["billing"].types["never.heard.of"].backlog == 1
    assert found.groups["billing"].dead == 0
    # Workers with wildcards discover new types there.
    assert await client.execute_command("SMEMBERS", KEYS.types) == [b"never.heard.of"]
    reply = await client.execute_command(
        "XREADGROUP", "GROUP", "billing", "c", "STREAMS", KEYS.redelivery("never.heard.of", "billing"), ">"
    )
    assert len(reply[0][1]) == 1


async def test_remove_letter_loses_the_race_against_another_tool(client):
    store, moves = await ready(client, letter("wh_1"))
    (dead,) = await store.find(Filter(names=("wh_1",)))
    assert await scripts.run(client, remove_letter(dead, is_redrive=False)) == 1
    assert await scripts.run(client, remove_letter(dead, is_redrive=True)) == 0
    assert await client.execute_command("EXISTS", STREAM) == 0
    assert await moves.redrive([dead]) == [0]
    assert await client.execute_command("XLEN", STREAM) == 0


async def test_a_discard_is_counted_whoever_may_discard_and_refused_where_it_cannot_be(client, redis_url):
    store, _ = await ready(client, letter("wh_1"), letter("wh_2"), letter("wh_3"))
    letters = {dead.name: dead for dead in await store.find(Filter(names=("wh_1", "wh_2", "wh_3")))}
    async with connect(redis_url.replace("://", "://console:console@"), "tests") as console:
        assert await Moves(console, store.shards).discard([letters["wh_1"]]) == [1]
    assert await client.execute_command("HGETALL", KEYS.discarded) == [b"billing", b"1"]
    rights = ("~hookbus:*", "+@all", "-hincrby")
    await client.execute_command("ACL", "SETUSER", "uncounted", "on", ">uncounted", *rights)
    try:
        async with connect(redis_url.replace("://", "://uncounted:uncounted@"), "tests") as other:
            (refused,) = await Moves(other, store.shards).discard([letters["wh_2"]])
    finally:
        await client.execute_command("ACL", "DELUSER", "uncounted")
    assert isinstance(refused, ResponseError)
    assert await dead_names(store) == {"wh_2", "wh_3"}
    await client.execute_command("SET", KEYS.discarded, "no hash")
    assert await Moves(client, store.shards).discard([letters["wh_3"]]) == [1], "an unusable count holds up nothing"


@pytest.mark.parametrize("is_redrive", [True, False])
async def test_remove_letter_leaves_a_letter_that_was_dead_lettered_again_since_it_was_read(client, is_redrive):
    store, moves = await ready(client, letter("wh_1"))
    (read,) = await store.find(Filter(names=("wh_1",)))
    await moves.discard([read])
    await store_letters(client, letter("wh_1", dead_lettered_at_ms=DEAD_MS + 1))
    assert await scripts.run(client, remove_letter(read, is_redrive=is_redrive)) == 0
    assert await client.execute_command("EXISTS", STREAM) == 0
    (dead,) = await store.find(Filter(names=("wh_1",)))
    assert dead.dead_lettered_ms == DEAD_MS + 1


async def test_restore_does_not_change_an_existing_letter(client):
    store, _ = await ready(client, letter("wh_1", message="first"))
    late = letter("wh_1", message="second", dead_lettered_at_ms=DEAD_MS + 1, reason="rejected")
    before = await keys_left(client)
    assert await scripts.run(client, restore(KEYS, "wh_1", late)) == 0
    (dead,) = await store.find(Filter(names=("wh_1",)))
    assert (dead.dead_lettered_ms, dead.letter.message) == (DEAD_MS, "first")
    assert await keys_left(client) == before
    assert len(await store.summaries(ALL)) == 1


async def test_two_restores_at_once_put_a_letter_back_once(client):
    _, moves = await ready(client)
    letters = [(f"wh_{i}", letter(f"wh_{i}")) for i in range(50)]
    first, second = await asyncio.gather(moves.restore(letters), moves.restore(letters))
    assert [a + b for a, b in zip(first, second, strict=True)] == [1] * 50


async def test_two_redrives_at_once_move_each_letter_once(client):
    store, moves = await ready(client, *(letter(f"wh_{i}", dead_lettered_at_ms=DEAD_MS + i) for i in range(300)))
    other_store, other = await opened(client), Moves(client, store.shards)
    first, second = await asyncio.gather(
        move(store, moves.redrive, batch=7), move(other_store, other.redrive, batch=11)
    )
    assert first.moved + second.moved == 300
    found = [each.webhook_id for each in await entries(client)]
    assert sorted(found) == sorted(f"wh_{i}" for i in range(300))
    assert await dead_names(store) == set()


async def test_a_bulk_redrive_ends_although_every_letter_is_dead_lettered_again_at_once(client):
    store, moves = await ready(client, *(letter(f"wh_{i}", dead_lettered_at_ms=DEAD_MS + i) for i in range(30)))

    async def redrive_in_vain(batch: list[StoredLetter]):
        results = await moves.redrive(batch)
        await store_letters(client, *(letter(dead.name, dead_lettered_at_ms=AGAIN_MS) for dead in batch))
        return results

    assert await move(store, redrive_in_vain) == Tally(moved=30)
    assert await client.execute_command("XLEN", STREAM) == 30
    assert await client.execute_command("ZCARD", KEYS.dead("billing")) == 30


async def test_a_letter_dead_lettered_again_between_read_and_move_counts_as_gone_and_stays(client):
    store, moves = await ready(client, *(letter(f"wh_{i}", dead_lettered_at_ms=DEAD_MS + i) for i in range(10)))

    async def too_late(batch: list[StoredLetter]):
        await moves.discard(batch[:2])
        await store_letters(client, *(letter(dead.name, dead_lettered_at_ms=AGAIN_MS) for dead in batch[:2]))
        return await moves.redrive(batch)

    assert await move(store, too_late) == Tally(moved=6, gone=4)
    assert await client.execute_command("XLEN", STREAM) == 6
    assert {dead.name for dead in (await store.page(ALL, 50)).letters} == {"wh_0", "wh_1", "wh_5", "wh_6"}


async def test_a_bulk_move_goes_oldest_first_and_stops_between_batches(client):
    store, moves = await ready(client, *(letter(f"wh_{i}", dead_lettered_at_ms=DEAD_MS - i) for i in range(20)))
    stopping = asyncio.Event()
    tally = await move(store, moves.redrive, batch=6, stopping=stopping, progressed=lambda _: stopping.set())
    assert tally == Tally(moved=6)
    assert [each.webhook_id for each in await entries(client)] == [f"wh_{i}" for i in range(19, 13, -1)]
    assert await dead_names(store) == {f"wh_{i}" for i in range(14)}


async def test_in_a_full_redis_a_redrive_fails_and_keeps_every_letter_and_a_discard_works(client):
    store, moves = await ready(client, *(letter(f"wh_{i}") for i in range(4)))
    await client.execute_command("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(FailedError, match="maxmemory"):
        await move(store, moves.redrive)
    assert await client.execute_command("EXISTS", STREAM) == 0
    assert len(await dead_names(store)) == 4
    assert await move(store, moves.discard) == Tally(moved=4)


async def test_a_refused_letter_is_reported_and_stays(client):
    store, moves = await ready(
        client,
        *(letter(f"wh_{i}", dead_lettered_at_ms=DEAD_MS + i) for i in range(4)),
        letter("wh_9", type="batch.failed"),
    )
    await moves.redrive([])
    await client.execute_command("SET", KEYS.redelivery("batch.failed", "billing"), "not a stream")
    with pytest.raises(FailedError, match="WRONGTYPE"):
        await move(store, moves.redrive, batch=1)
    assert await dead_names(store) >= {"wh_9"}


async def test_moves_survive_a_script_flush(client):
    store, moves = await ready(client, letter("wh_1"), letter("wh_2"))
    await client.execute_command("SCRIPT", "FLUSH")
    assert await move(store, moves.redrive, batch=1) == Tally(moved=2)

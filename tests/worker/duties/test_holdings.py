from hookbus.worker.duties import holdings
from hookbus.worker.duties.holdings import Holding, read
from tests.worker.builders import GROUP, KEYS, OWN_STREAM, STREAM, join, redeliver, register, store, take
from tests.worker.takeovers import die_with, take_over


async def test_each_dead_consumer_has_a_holding_per_stream_with_suspects_apart(client):
    await die_with(client, "wh_1", "wh_2")
    await take_over(client, "dead", "dead_too", 1)
    await register(client, "dead_too", alive=False)
    await redeliver(client, "wh_3")
    await take(client, "dead", own=True)
    held = await read(client, GROUP, [STREAM, OWN_STREAM], ["dead", "dead_too"])
    assert set(held.holdings) == {
        Holding(OWN_STREAM, "dead", 1, 0),
        Holding(STREAM, "dead", 1, 0),
        Holding(STREAM, "dead_too", 0, 1),
    }
    assert held.counts == {"dead": 2, "dead_too": 1}
    assert not held.refused


async def test_what_others_hold_is_left_out(client):
    await die_with(client, "wh_1", consumer="alive")
    held = await read(client, GROUP, [STREAM], ["dead"])
    assert (held.holdings, held.counts) == ([], {})


async def test_a_stream_that_redis_refuses_is_told_apart_from_the_others(client):
    await die_with(client, "wh_1")
    bad, missing = KEYS.stream("batch.failed"), KEYS.stream("batch.completed")
    await client.execute_command("SET", bad, "no stream")
    held = await read(client, GROUP, [bad, STREAM, missing], ["dead"])
    assert [holding.stream for holding in held.holdings] == [STREAM]
    assert set(held.refused) == {bad, missing}


async def test_a_look_reads_a_bounded_number_of_entries_and_counts_all(client, monkeypatch):
    monkeypatch.setattr(holdings, "ENTRIES_READ", 2)
    monkeypatch.setattr(holdings, "MAX_READ", 2)
    await join(client)
    for consumer in ("one", "two"):
        await store(client, *(f"wh_{consumer}_{i}" for i in range(3)))
        await take(client, consumer)
    held = await read(client, GROUP, [STREAM], ["one", "two"])
    assert [holding.ordinary for holding in held.holdings] == [2]
    assert held.counts == {"one": 3, "two": 3}


async def test_no_holding_always_comes_last(client):
    await join(client)
    for consumer in ("one", "two"):
        await store(client, f"wh_{consumer}")
        await take(client, consumer)
    first = {(await read(client, GROUP, [STREAM], ["one", "two"])).holdings[0].consumer for _ in range(100)}
    assert first == {"one", "two"}

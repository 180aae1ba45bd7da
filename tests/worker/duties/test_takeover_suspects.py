"""Suspects among the deliveries that are taken over."""

import asyncio

from hookbus.worker.duties import suspects, takeover
from hookbus.worker.pipeline.dead_letter import decode
from tests.wait import until
from tests.worker.builders import (
    GROUP,
    KEYS,
    Handler,
    die_with,
    mark,
    pending,
    redeliver,
    register,
    take,
    take_over,
)  # fmt: skip
from tests.worker.claimant import claimant


async def test_a_delivery_is_a_suspect_from_the_second_dead_consumer_on(client, redis_url):
    handler = Handler()
    await die_with(client, "wh_1", consumer="first")
    await die_with(client, "wh_2", consumer="unlucky")
    await take_over(client, "first", "second")
    await register(client, "second", alive=False)
    async with claimant(redis_url, client, handler) as worker:
        await worker.round()
        await until(lambda: handler.began == ["wh_2"])
        suspect = worker.suspects._queue.get_nowait().in_flight
        assert (suspect.delivery.webhook_id, suspect.times_delivered) == ("wh_1", 3)
        assert worker.runtime.slots.running == 2  # it has its slot already


async def test_g5_after_three_deaths_of_its_own_a_delivery_is_a_dead_letter_that_names_them(client, redis_url):
    handler = Handler()
    await die_with(client, "wh_1", consumer="c0")
    (entry_id,) = await pending(client)
    for i in range(2):
        await mark(client, f"c{i}", entry_id)
        await take_over(client, f"c{i}", f"c{i + 1}")
    await mark(client, "c2", entry_id)
    await register(client, "c2", alive=False)
    async with claimant(redis_url, client, handler) as worker:
        await worker.round()
        await until(lambda: client.execute_command("ZCARD", KEYS.dead(GROUP)))
        assert worker.runtime.slots.running == 0
    letter = decode(await client.execute_command("HGET", KEYS.dead_data(GROUP), "wh_1"))
    assert letter.reason == "worker_lost"
    assert all(f"c{i}@" in letter.message for i in range(3))
    assert handler.began == []
    assert await client.execute_command("EXISTS", KEYS.deaths(GROUP), KEYS.started(GROUP)) == 0


def test_three_deaths_are_the_limit():
    assert takeover.MAX_DEATHS == 3


async def test_g4_deliveries_of_a_dead_consumer_need_not_wait_for_many_suspects(client, redis_url, monkeypatch):
    monkeypatch.setattr(suspects, "SPELL_S", 0.1)
    monkeypatch.setattr(suspects, "OTHERS_S", 0.2)
    monkeypatch.setattr(takeover, "INTERVAL_S", 0.05)
    names = [f"wh_{number}" for number in range(1, 21)]
    await die_with(client, *names)
    await take_over(
        client, "dead", by="dead_too"
    )  # in flight in the second consumer; from the third on they are suspects
    await register(client, "dead_too", alive=False)
    handler = Handler(is_open=True, pause_s=0.05)
    async with claimant(redis_url, client, handler) as worker:
        judging = asyncio.create_task(worker.suspects.run())
        looking = asyncio.create_task(worker.duty.run())
        await until(lambda: handler.began)
        await die_with(client, "wh_fresh", consumer="dead_last")
        await until(lambda: "wh_fresh" in handler.began)
        assert len(handler.began) < len(names)
        await until(lambda: sorted(handler.done) == sorted([*names, "wh_fresh"]))
        worker.stopping.set()
        worker.suspects.finish()
        await asyncio.gather(judging, looking)


async def test_g4_deliveries_taken_together_begin_before_the_suspects_among_them_close_the_gate(client, redis_url):
    await die_with(client, "wh_1")
    await take_over(client, "dead", by="dead_too")
    await register(client, "dead_too", alive=False)
    await redeliver(client, "wh_fresh")
    await take(client, "dead_too", own=True)
    handler = Handler(is_open=True)
    async with claimant(redis_url, client, handler) as worker:
        judging = asyncio.create_task(worker.suspects.run())
        await worker.round()
        await until(lambda: len(handler.done) == 2)
        assert handler.began == ["wh_fresh", "wh_1"]
        worker.suspects.finish()
        await judging

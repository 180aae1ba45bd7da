"""Leases of several processes over one Redis."""

import asyncio

from hookbus import App, Delivery
from hookbus.shared import scripts
from hookbus.shared.keys import Keys
from hookbus.worker.duties import chores, trim
from hookbus.worker.duties.chores import Chores
from hookbus.worker.duties.trim import Trimmer
from hookbus.worker.settings import WorkerSettings
from tests.wait import until
from tests.worker.builders import KEYS, TYPE, commandstats, join, store, take
from tests.worker.running import app_of, running

SHARDS = (Keys(0), Keys(1))


async def handle(event: dict, delivery: Delivery) -> None: ...


def process(client, name: str) -> Chores:
    return Chores(client, name, SHARDS, asyncio.Event())


def lease(consumer: str, ttl_ms: int = 10_000) -> scripts.Call:
    return scripts.Call(scripts.LEASE, (KEYS.chores,), (consumer, ttl_ms))


async def test_of_several_processes_one_holds_each_lease(client):
    found = [process(client, name) for name in ("one", "two", "three")]
    await asyncio.gather(*(each._ask() for each in found))
    for keys in SHARDS:
        assert [each.has(keys) for each in found].count(True) == 1


async def test_a_lease_that_another_took_first_is_refused_for_as_long_as_it_lasts(client):
    assert await scripts.run(client, lease("one")) == 0
    assert 9_000 < await scripts.run(client, lease("two")) <= 10_000
    assert await client.execute_command("MGET", KEYS.chores) == [b"one"]
    assert await scripts.run(client, lease("one")) == 0


async def test_a_lease_without_an_end_or_of_another_type_holds_up_nobody(client):
    await client.execute_command("SET", KEYS.chores, "gone")
    assert await scripts.run(client, lease("one")) == 0
    await client.execute_command("DEL", KEYS.chores)
    await client.execute_command("SADD", KEYS.chores, "a slip")
    assert await scripts.run(client, lease("one")) == 0


async def test_a_dead_holder_is_replaced_when_its_lease_ends_and_a_live_one_keeps_it(client, monkeypatch):
    monkeypatch.setattr(chores, "TTL_S", 0.5)
    monkeypatch.setattr(chores, "RENEW_S", 0.1)
    first, second = process(client, "one"), process(client, "two")
    tasks = [asyncio.create_task(first.run())]
    await until(lambda: first.has(KEYS))
    tasks.append(asyncio.create_task(second.run()))
    await asyncio.sleep(1.5)  # three times as long as a lease lasts
    assert (first.has(KEYS), second.has(KEYS)) == (True, False)
    tasks[0].cancel()
    await until(lambda: second.has(KEYS))
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_process_without_a_lease_asks_again_only_when_it_can_have_ended(client):
    await process(client, "one")._ask()
    other = process(client, "two")
    assert chores.TTL_S - 1 < await other._ask() <= chores.TTL_S


async def test_a_process_that_cannot_reach_redis_gives_its_chores_up(client, monkeypatch):
    monkeypatch.setattr(chores, "RENEW_S", 0.05)
    found = process(client, "one")
    task = asyncio.create_task(found.run())
    await until(lambda: found.has(KEYS))

    async def lost(*_):
        raise ConnectionError

    monkeypatch.setattr(scripts, "run_all", lost)
    await until(lambda: not found.has(KEYS))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_in_a_full_redis_the_lease_is_taken_and_handled_events_are_trimmed_at_once(client, monkeypatch):
    monkeypatch.setattr(trim, "POLL_S", 0.05)
    await join(client)
    await store(client, "wh_1", "wh_2")
    for in_flight in await take(client, "me"):
        await client.execute_command("XACK", KEYS.stream(TYPE), "billing", in_flight.entry_id)
    await client.execute_command("CONFIG", "SET", "maxmemory", 1)
    found = process(client, "one")
    await found._ask()
    stopping = asyncio.Event()
    duty = asyncio.create_task(Trimmer(client, KEYS, found, stopping, WorkerSettings()).run())
    await until(lambda: _are_trimmed(client))
    stopping.set()
    await duty


async def _are_trimmed(client) -> bool:
    return await client.execute_command("XLEN", KEYS.stream(TYPE)) < 2


async def test_a_process_without_the_lease_looks_at_no_memory_and_trims_nothing(client, monkeypatch):
    monkeypatch.setattr(trim, "POLL_S", 0.01)
    stopping = asyncio.Event()
    duty = asyncio.create_task(Trimmer(client, KEYS, process(client, "one"), stopping, WorkerSettings()).run())
    before = await commandstats(client)
    await asyncio.sleep(0.3)
    stopping.set()
    await duty
    after = await commandstats(client)
    assert after.get("info", 0) - before.get("info", 0) <= 1  # its own


async def test_of_two_workers_one_has_the_chores_and_a_run_of_verify_has_none(client, redis_url):
    async with running(redis_url, app_of(handle)) as first, running(redis_url, app_of(handle)) as second:
        await until(lambda: client.execute_command("EXISTS", KEYS.chores))
        (holder,) = await client.execute_command("MGET", KEYS.chores)
        assert holder.decode() in {first.consumer, second.consumer}
    await client.execute_command("DEL", KEYS.chores)
    app = App("hookbus.verify")
    app.on("hookbus.verify")(handle)
    async with running(redis_url, app):
        assert "Trimmer" not in {task.get_name() for task in asyncio.all_tasks()}
    assert await client.execute_command("EXISTS", KEYS.chores) == 0

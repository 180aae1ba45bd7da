"""A job in Redis: it expires, one console at most goes on with it, and one that no longer beats is interrupted."""

import asyncio

from hookbus.shared.keys import HOME
from hookbus.worker.audit import Action
from hookbus.worker.console import job_store
from hookbus.worker.console.job_store import LOST_S, Confirmed, Numbers, read
from hookbus.worker.inventory import registry

JOB = Confirmed(Action(verb="dlq redrive", who="ann@host", via="console"), {"verb": "redrive"}, 100, 10.0)


async def test_every_write_keeps_a_job_for_a_day(client):
    now_ms = await registry.now_ms(client)
    job_id = f"{now_ms}-0"
    for write in (
        lambda: job_store.ask_to_stop(client, job_id, "bob@host"),
        lambda: job_store.claim(client, job_id, "2-0"),
        lambda: job_store.beat(client, job_id, Numbers(now_ms, moved=30, gone=1)),
        lambda: job_store.create(client, job_id, JOB),
    ):
        await client.execute_command("DEL", HOME.job(job_id))
        await write()
        assert 0 < await client.execute_command("TTL", HOME.job(job_id)) <= job_store.KEPT_S


async def test_whoever_runs_a_job_hears_that_it_shall_stop_and_that_another_went_on(client):
    now_ms = await registry.now_ms(client)
    for number, ask in enumerate((job_store.ask_to_stop, job_store.claim)):
        job_id = f"{now_ms}-{number}"
        await job_store.create(client, job_id, JOB)
        assert not await job_store.beat(client, job_id, Numbers(now_ms))
        await ask(client, job_id, "1-1")
        assert await job_store.beat(client, job_id, Numbers(now_ms))


async def test_of_two_that_go_on_one_loses(client):
    found = await asyncio.gather(*(job_store.claim(client, "1-0", following) for following in ("2-0", "3-0")))
    assert sorted(found) == [False, True]
    assert await client.execute_command("HGET", HOME.job("1-0"), "next") == [b"2-0", b"3-0"][found.index(True)]


async def test_a_job_shows_its_speed_and_its_time_left(client):
    await job_store.create(client, "1000-0", JOB)
    await job_store.beat(client, "1000-0", Numbers(await registry.now_ms(client), "done", moved=99, gone=1))
    seen = await job_store.fetch(client, "1000-0")
    assert (seen.state, seen.done, seen.left, seen.left_s, seen.can_go_on) == ("done", 100, 0, None, False)
    assert await job_store.fetch(client, "9-9") is None
    stored = job_store.msgspec.json.encode
    seen = read("1000-0", stored(JOB), stored(Numbers(5000, moved=40)), None, 5100)
    assert (seen.state, seen.per_second, seen.left_s) == ("runs", 10.0, 6.0)
    assert read("1000-0", stored(JOB), None, None, 1500).per_second == 0
    assert read("1000-0", b"{", None, None, 1500) is None


def test_without_a_beat_for_long_it_is_interrupted_and_one_that_ended_is_not():
    stored = job_store.msgspec.json.encode
    for at_ms, state, expected in (
        (10_000 - LOST_S * 1000, "runs", "runs"),
        (9_999 - LOST_S * 1000, "runs", "interrupted"),
        (0, "stopped", "stopped"),
    ):
        seen = read("1-0", stored(JOB), stored(Numbers(int(at_ms), state, moved=1)), None, 10_000)
        assert seen.state == expected
        assert seen.can_go_on == (expected != "runs")

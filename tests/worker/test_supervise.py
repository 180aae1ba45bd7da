"""Whole workers in this process: readiness, shards, and the types that they read."""

import asyncio

import pytest

from hookbus import App, Delivery
from hookbus.shared.keys import Keys, shard_of
from hookbus.worker import watchdog
from hookbus.worker.duties.heartbeat import Liveness
from hookbus.worker.quarantine.quarantine import Quarantine
from hookbus.worker.shutdown import Shutdown
from tests.wait import until
from tests.worker.builders import GROUP, STREAM, TYPE, Handler, store
from tests.worker.running import Running, app_of, running


async def test_a_worker_that_can_write_no_outcome_is_not_ready_with_a_reason_until_it_can(
    client, redis_url, monkeypatch
):
    monkeypatch.setattr(watchdog, "FRUITLESS_S", 0.2)
    monkeypatch.setattr(Liveness, "silent_s", lambda _: 0.0)  # renewals are two seconds apart: more than that
    handler = Handler()
    async with running(redis_url, app_of(handler)) as worker:
        await store(client, "wh_1")
        await until(lambda: handler.began)
        await client.execute_command("CONFIG", "SET", "min-replicas-to-write", 1)
        try:
            handler.go()
            await until(lambda: worker.worker.readiness() == "no outcome could be written to Redis for 0.2 s")
        finally:
            await client.execute_command("CONFIG", "SET", "min-replicas-to-write", 0)
        await until(lambda: worker.worker.readiness() == "")
        await worker.stop()


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_with_several_shards_each_event_is_handled_once_and_a_stop_interrupts_none(client, redis_url, kind):
    done, app = [], App(GROUP)
    handler = Handler(is_open=True)
    if kind == "async":
        app = app_of(handler)
        done = handler.done
    else:

        @app.on(TYPE, concurrency=4)
        def handle(event: dict, delivery: Delivery) -> None:
            done.append(delivery.webhook_id)

    names = [f"wh_{i}" for i in range(40)]
    async with running(redis_url, app, shards=4):
        for name in names:
            keys = Keys(shard_of(name, 4))
            await client.execute_command("SADD", keys.types, TYPE)
            fields = ("id", name, "src", "openai", "at", 1, "body", '{"type":"response.completed"}')
            await client.execute_command("XADD", keys.stream(TYPE), "*", *fields)
        await until(lambda: len(done) == 40)
    assert sorted(done) == sorted(names)
    for shard in range(4):
        delayed = Keys(shard).delayed(GROUP)
        assert await client.execute_command("EXISTS", delayed, Keys(shard).dead(GROUP)) == 0


async def test_a_worker_that_stops_before_redis_was_there_ends(tmp_path):
    worker = Running(f"unix://{tmp_path}/nothing.sock", app_of(Handler()))
    await until(lambda: worker.worker.readiness() == "not connected to Redis yet")
    await worker.stop()


async def test_only_reads_the_types_that_match(client, redis_url):
    handler = Handler(is_open=True)
    async with running(redis_url, app_of(handler, "*"), only="batch.*"):
        await store(client, "wh_other")
        await store(client, "wh_1", event_type="batch.completed")
        await store(client, "wh_2", event_type="batch.tomorrow")
        await until(lambda: sorted(handler.done) == ["wh_1", "wh_2"])
    assert await client.execute_command("EXISTS", STREAM) == 1


async def test_a_type_that_appears_while_it_works_is_handled(client, redis_url):
    handler = Handler(is_open=True)
    async with running(redis_url, app_of(handler, "*")):
        await store(client, "wh_1", event_type="made.up.tomorrow")
        await until(lambda: handler.done == ["wh_1"])


async def test_a_crash_while_it_finishes_does_not_wait_for_quarantine_processes(client, redis_url, monkeypatch):
    ends: list[str] = []

    async def never_ends(self: Quarantine, within_s: float) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("cancelled")

    async def crashes(self: Shutdown, grace_s: float) -> int:
        await asyncio.sleep(0)  # the wait for the children has begun
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(Quarantine, "ended", never_ends)
    monkeypatch.setattr(Shutdown, "finish", crashes)
    worker = Running(redis_url, app_of(Handler()))
    await until(lambda: worker.worker.readiness() == "")
    with pytest.raises(RuntimeError, match="a bug of ours"):
        await worker.stop()
    assert ends == ["cancelled"]

"""Whole workers in this process: their stop, their handover, and their exit when a part breaks."""

import asyncio
import contextlib
import os
import signal

import pytest
import structlog

from deploy.local.valkey import Valkey
from hookbus import App, Delivery
from hookbus.shared.address import RedisUrl
from hookbus.shared.command import Stopping
from hookbus.shared.connection import connect
from hookbus.shared.keys import HANDOVER, Keys, shard_of
from hookbus.shared.settings import Listen
from hookbus.worker import group_runner, watchdog
from hookbus.worker.crew import CrashError
from hookbus.worker.duties.heartbeat import Liveness
from hookbus.worker.pipeline.routes import build
from hookbus.worker.settings import WorkerSettings
from hookbus.worker.supervise import STOP_S, Worker, consumer_name
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, STREAM, TYPE, Handler, consumers, pending, settled, store


class Running:
    """A worker that runs in a task of this process."""

    def __init__(self, url: str, app: App, only: str = "", **settings) -> None:
        defaults = {"redis_url": RedisUrl(url), "ops_listen": Listen("127.0.0.1", 0), "handler_timeout_s": 30.0}
        self.stopping = Stopping()
        configured = WorkerSettings(**{**defaults, "grace_period_s": 40.0, **settings})
        self.worker = Worker(configured, build([app], configured.handler_timeout_s), only, self.stopping)
        self.consumer = self.worker._process.consumer
        self.task = asyncio.create_task(self.worker.run())

    async def stop(self) -> None:
        self.stopping.set()
        await self.task


@contextlib.asynccontextmanager
async def running(url: str, app: App, only: str = "", **settings):
    found = Running(url, app, only, **settings)
    try:
        await until(lambda: found.worker.readiness() == "" or found.task.done())
        yield found
    finally:
        found.stopping.set()
        await asyncio.gather(found.task, return_exceptions=True)


def app_of(handler: Handler, pattern: str = TYPE, **options) -> App:
    app = App(GROUP)

    @app.on(pattern, **options)
    async def handle(event: dict, delivery: Delivery) -> None:
        await handler(event, delivery)

    return app


@contextlib.asynccontextmanager
async def with_one_in_flight(url: str, client):
    """A worker whose handler outlasts the grace period of a stop."""
    handler = Handler()
    async with running(url, app_of(handler), grace_period_s=0.1) as worker:
        await store(client, "wh_1")
        await until(lambda: handler.began)
        yield worker


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


async def test_g10_a_stop_finishes_running_deliveries_reads_no_more_and_leaves_the_group(client, redis_url):
    handler = Handler()
    async with running(redis_url, app_of(handler)) as worker:
        await store(client, "wh_1")
        await until(lambda: handler.began == ["wh_1"])
        worker.stopping.set()
        await until(lambda: worker.worker.readiness() == "draining")
        await store(client, "wh_2")
        handler.go()
        await worker.stop()
    assert handler.done == ["wh_1"]
    assert await settled(client)
    assert await consumers(client) == set()


async def test_g10_deliveries_that_outlast_the_grace_go_to_the_others_without_suspicion(client, redis_url):
    handler = Handler()
    async with running(redis_url, app_of(handler), grace_period_s=0.1) as worker:
        await store(client, "wh_1", "wh_2")
        await until(lambda: len(handler.began) == 2)
        with structlog.testing.capture_logs() as logs:
            await worker.stop()
    assert list((await pending(client)).values()) == [(HANDOVER, 0)] * 2
    assert await consumers(client) == {HANDOVER.encode()}
    (handed,) = [log for log in logs if log["event"] == "handed_over"]
    assert (handed["deliveries"], handed["interrupted"]) == (2, 2)
    second_handler = Handler(is_open=True)
    async with running(redis_url, app_of(second_handler)) as worker:
        await until(lambda: sorted(second_handler.done) == ["wh_1", "wh_2"])
        await until(lambda: _are(client, {worker.consumer.encode()}))


async def test_g10_a_full_redis_accepts_a_handover(client, redis_url):
    async with with_one_in_flight(redis_url, client) as worker:
        await client.execute_command("CONFIG", "SET", "maxmemory", 1)
        await worker.stop()
    assert list((await pending(client)).values()) == [(HANDOVER, 0)]


async def test_a_handover_that_redis_refuses_is_logged(client, redis_url):
    async with with_one_in_flight(redis_url, client) as worker:
        await client.execute_command("CONFIG", "SET", "min-replicas-to-write", 1)
        try:
            with structlog.testing.capture_logs() as logs:
                await worker.stop()
        finally:
            await client.execute_command("CONFIG", "SET", "min-replicas-to-write", 0)
    (line,) = [log for log in logs if log["event"] == "handover_failed"]
    assert line["reason"].startswith("NOREPLICAS")


async def test_g10_a_stop_ends_15_s_after_the_grace_although_redis_hangs(own_server: Valkey):
    handler = Handler()
    async with running(own_server.url, app_of(handler), grace_period_s=1.0) as worker:
        async with connect(own_server.url, "tests") as client:
            await store(client, "wh_1", "wh_2")
        await until(lambda: len(handler.began) == 2)
        os.kill(own_server.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(1.0 + STOP_S):
                await worker.stop()
        finally:
            os.kill(own_server.pid, signal.SIGCONT)


async def _are(client, expected: set[bytes]) -> bool:
    return await consumers(client) == expected


async def test_more_deliveries_than_one_release_call_takes_are_handed_over_too(client, redis_url, monkeypatch):
    monkeypatch.setattr(group_runner, "RELEASED_AT_ONCE", 3)
    handler = Handler()
    async with running(redis_url, app_of(handler), grace_period_s=0.1) as worker:
        await store(client, *(f"wh_{i}" for i in range(10)))
        await until(lambda: len(handler.began) == 10)
        await worker.stop()
    assert [owner for owner, _ in (await pending(client)).values()] == [HANDOVER] * 10


async def test_a_delivery_is_released_before_the_liveness_key_goes(client, redis_url, monkeypatch):
    """Otherwise another worker could claim it as a dead consumer's, and suspect it or count a death for it."""
    order = []
    async with with_one_in_flight(redis_url, client) as worker:
        (runner,) = worker.worker._runners.values()
        release, stop = runner.release, worker.worker._process.liveness.stop

        async def record_release() -> int:
            order.append(await client.execute_command("EXISTS", KEYS.alive(worker.consumer)))
            return await release()

        def record_stop() -> None:
            stop()
            order.append("silent")

        monkeypatch.setattr(runner, "release", record_release)
        monkeypatch.setattr(worker.worker._process.liveness, "stop", record_stop)
        await worker.stop()
    assert order == [1, "silent"]


@contextlib.asynccontextmanager
async def dying(url: str, client):
    """A worker with one delivery in flight, about to crash."""
    handler = Handler()
    app = app_of(handler)

    @app.on("batch.completed")
    async def be_quick(event: dict) -> None: ...

    async with running(url, app) as worker:
        await store(client, "wh_1")
        await until(lambda: handler.began)
        yield worker
        with pytest.raises(CrashError):
            await asyncio.wait_for(asyncio.shield(worker.task), 10)
    assert handler.done == []
    assert list((await pending(client)).values()) == [(worker.consumer, 1)]
    assert await consumers(client) == {worker.consumer.encode()}
    assert await client.execute_command("EXISTS", KEYS.alive(worker.consumer)) == 0


@pytest.mark.parametrize("end", [RuntimeError("a bug of ours"), asyncio.CancelledError()], ids=repr)
async def test_g5_a_worker_that_can_no_longer_settle_dies_and_hands_nothing_over(client, redis_url, monkeypatch, end):
    """A worker that continued to read would look healthy and settle nothing. A handover would hide the cause."""

    async def breaks(batch):
        raise end

    async with dying(redis_url, client) as worker:
        monkeypatch.setattr(worker.worker._outcome_writer, "_write", breaks)
        await store(client, "wh_2", event_type="batch.completed")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_g5_a_worker_without_a_liveness_key_exits_before_others_claim_its_deliveries(
    client, redis_url, monkeypatch
):
    def breaks() -> None:
        raise MemoryError

    async with dying(redis_url, client) as worker:
        monkeypatch.setattr(worker.worker._process.liveness, "_renew", breaks)


@pytest.mark.parametrize("name", ["Reader", "Promoter", "Takeover", "Discovery", "Suspects", "stop"])
async def test_g5_a_worker_with_a_cancelled_task_dies_and_hands_nothing_over(client, redis_url, name):
    async with dying(redis_url, client):
        next(task for task in asyncio.all_tasks() if task.get_name() == name).cancel()


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


def test_no_two_workers_ever_have_the_same_name():
    assert len({consumer_name() for _ in range(1000)}) == 1000

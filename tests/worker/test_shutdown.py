"""The two ends of whole workers in this process: a stop hands over, a crash leaves everything."""

import asyncio
import contextlib
import os
import signal
import threading

import pytest
import structlog

from hookbus import App, Delivery
from hookbus.shared.clock import now_ms
from hookbus.shared.connection import connect
from hookbus.shared.keys import HANDOVER
from hookbus.shared.valkey import Valkey
from hookbus.worker import supervise
from hookbus.worker.crew import CrashError
from hookbus.worker.inventory import expiries
from hookbus.worker.pipeline import handover
from hookbus.worker.shutdown import STOP_S
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, TYPE, Handler, consumers, pending, settled, store
from tests.worker.running import app_of, break_at_the_finish, running


@contextlib.asynccontextmanager
async def with_one_in_flight(url: str, client):
    """A worker whose handler outlasts the grace period of a stop."""
    handler = Handler()
    async with running(url, app_of(handler), grace_period_s=0.1) as worker:
        await store(client, "wh_1")
        await until(lambda: handler.began)
        yield worker


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
    assert await client.execute_command("ZRANGE", KEYS.expiries, 0, -1) == []


async def test_a_lifespan_is_closed_once_when_the_drain_ran_out_of_time_and_after_its_handlers(client, redis_url):
    events = []

    @contextlib.asynccontextmanager
    async def lifespan(app):
        yield {"pool": "open"}
        events.append("closed")

    async def outlast(event: dict, delivery: Delivery) -> None:
        events.append("began")
        try:
            await asyncio.Event().wait()
        finally:
            events.append(delivery.state["pool"])

    app = App(GROUP, lifespan=lifespan)
    app.on(TYPE)(outlast)
    async with running(redis_url, app, grace_period_s=0.1) as worker:
        await store(client, "wh_1")
        await until(lambda: events)
        await worker.stop()
    assert events == ["began", "open", "closed"]


async def test_a_lifespan_that_hangs_at_the_end_of_a_stop_is_bounded(client, redis_url, monkeypatch):
    monkeypatch.setattr(supervise, "CLOSE_S", 0.1)

    @contextlib.asynccontextmanager
    async def lifespan(app):
        yield
        await asyncio.Event().wait()

    app = app_of(Handler())
    app.lifespan = lifespan
    async with running(redis_url, app) as worker:
        with structlog.testing.capture_logs() as logs:
            await worker.stop()
    assert [log["event"] for log in logs if log["log_level"] == "error"] == ["lifespan_hangs"]
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
    assert await client.execute_command("ZRANGE", KEYS.expiries, 0, -1) == [expiries.handover(GROUP).encode()]
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
    monkeypatch.setattr(handover, "AT_ONCE", 3)
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
        release, stop = runner.release, worker.worker._consumer.liveness.stop

        async def record_release() -> int:
            order.append(await client.execute_command("EXISTS", KEYS.alive(worker.consumer)))
            return await release()

        def record_stop() -> None:
            stop()
            order.append("silent")

        monkeypatch.setattr(runner, "release", record_release)
        monkeypatch.setattr(worker.worker._consumer.liveness, "stop", record_stop)
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
    hint_ms = float(await client.execute_command("ZSCORE", KEYS.expiries, worker.consumer))
    assert hint_ms < now_ms() + 2_000  # not when it would have expired


@pytest.mark.parametrize("end", [RuntimeError("a bug of ours"), asyncio.CancelledError()], ids=repr)
async def test_g5_a_worker_that_can_no_longer_settle_dies_and_hands_nothing_over(client, redis_url, monkeypatch, end):
    """A worker that continued to read would look healthy and settle nothing. A handover would hide the cause."""

    async def breaks(batch):
        raise end

    async with dying(redis_url, client) as worker:
        monkeypatch.setattr(worker.worker._consumer.outcome_writer, "_write", breaks)
        await store(client, "wh_2", event_type="batch.completed")


async def test_g5_a_worker_that_can_settle_no_more_while_it_stops_dies_and_hands_nothing_over(
    client, redis_url, monkeypatch
):
    handler = Handler()
    async with running(redis_url, app_of(handler)) as worker:
        await store(client, "wh_1")
        await until(lambda: handler.began)
        break_at_the_finish(monkeypatch, worker.worker._consumer.outcome_writer, handler)
        worker.stopping.set()
        with pytest.raises(CrashError, match="while stopping"):
            await asyncio.wait_for(asyncio.shield(worker.task), 20)
    assert list((await pending(client)).values()) == [(worker.consumer, 1)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_g5_a_worker_without_a_liveness_key_exits_before_others_claim_its_deliveries(
    client, redis_url, monkeypatch
):
    def breaks() -> None:
        raise MemoryError

    async with dying(redis_url, client) as worker:
        monkeypatch.setattr(worker.worker._consumer.liveness, "_renew", breaks)


@pytest.mark.parametrize("name", ["Reader", "Promoter", "Takeover", "Discovery", "Quarantine", "stop"])
async def test_g5_a_worker_with_a_cancelled_task_dies_and_hands_nothing_over(client, redis_url, name):
    async with dying(redis_url, client):
        next(task for task in asyncio.all_tasks() if task.get_name() == name).cancel()


@pytest.mark.parametrize("end", ["stop", "crash"])
async def test_the_event_loop_is_free_while_the_liveness_key_is_deleted(client, redis_url, monkeypatch, end):
    """It may be another program's, and Redis may hang."""
    was_free = []
    loop, has_run = asyncio.get_running_loop(), threading.Event()
    async with running(redis_url, app_of(Handler())) as worker:
        stop = worker.worker._consumer.liveness.stop

        def stop_later() -> None:
            loop.call_soon_threadsafe(has_run.set)
            was_free.append(has_run.wait(2))
            stop()

        monkeypatch.setattr(worker.worker._consumer.liveness, "stop", stop_later)
        if end == "stop":
            await worker.stop()
        else:
            next(task for task in asyncio.all_tasks() if task.get_name() == "Reader").cancel()
            with pytest.raises(CrashError):
                await asyncio.wait_for(asyncio.shield(worker.task), 10)
    assert was_free == [True]

"""The program of a quarantine process, in a task of this one; the test is its worker."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from hookbus import App, Delivery
from hookbus.shared.address import RedisUrl
from hookbus.shared.command import Stopping
from hookbus.shared.keys import HANDOVER, QUARANTINED
from hookbus.worker import quarantine_process
from hookbus.worker.crew import CrashError
from hookbus.worker.pipeline.outcome import ACK, Park
from hookbus.worker.pipeline.routes import build
from hookbus.worker.quarantine.messages import Answer, Order, Ready, line
from hookbus.worker.quarantine_process import QuarantineProcess
from hookbus.worker.settings import WorkerSettings
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, STREAM, TYPE, Handler, consumers, join, pending, settled, store, take
from tests.worker.running import app_of, break_at_the_finish


class FakeGuard:
    """A `Guard` that does nothing by itself: the real one ends the process of the tests."""

    last: "FakeGuard"

    def __init__(self, *, parent: int, stop: Callable[[], Any], **_: Any) -> None:
        self.parent = parent
        self.stop = stop
        FakeGuard.last = self

    def start(self) -> None: ...


class Child:
    """A running quarantine process, and the worker's end of its socket."""

    def __init__(self, url: str, app: App, **settings: Any) -> None:
        defaults = {"redis_url": RedisUrl(url), "handler_timeout_s": 30.0, "grace_period_s": 40.0}
        configured = WorkerSettings(**defaults | settings)
        self.stopping = Stopping()
        self.process = QuarantineProcess(configured, build([app], 30.0), "", self.stopping)
        self.name = self.process._consumer.name
        self._ours, theirs = socket.socketpair()
        self.task = asyncio.create_task(self.process.run(theirs, os.getppid()))

    async def connect(self) -> None:
        self._reader, self._writer = await asyncio.open_unix_connection(sock=self._ours)

    async def ready(self) -> str:
        return msgspec.json.decode(await self._reader.readline(), type=Ready).consumer

    def order(self, order: Order) -> None:
        self._writer.write(line(order))

    async def answer(self) -> Answer | None:
        """The next answer; None at the end of the process."""
        async with asyncio.timeout(20):
            text = await self._reader.readline()
        return msgspec.json.decode(text, type=Answer) if text else None

    def drain(self) -> None:
        self._writer.write_eof()

    async def close(self) -> None:
        self.stopping.set()
        await asyncio.gather(self.task, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


@contextlib.asynccontextmanager
async def a_child(url: str, app: App, **settings: Any) -> AsyncIterator[Child]:
    child = Child(url, app, **settings)
    await child.connect()
    try:
        yield child
    finally:
        await child.close()


@pytest.fixture(autouse=True)
def _guarded(monkeypatch) -> None:
    monkeypatch.setattr(quarantine_process, "Guard", FakeGuard)


async def suspects(client, *names: str) -> list[Order]:
    """The orders for suspects that are pending for the worker `owner`."""
    await join(client)
    await store(client, *names)
    return [Order.of(in_flight, "owner") for in_flight in await take(client, "owner")]


async def test_it_runs_one_suspect_after_another_and_leaves_when_its_worker_closes_the_socket(client, redis_url):
    handler = Handler(is_open=True)
    orders = await suspects(client, "wh_1", "wh_2")
    async with a_child(redis_url, app_of(handler)) as child:
        assert await child.ready() == child.name
        assert child.name.endswith(QUARANTINED)
        assert await consumers(client) == {child.name.encode()}
        assert await client.execute_command("EXISTS", KEYS.alive(child.name)) == 1
        for order in orders:
            child.order(order)
        for _ in orders:
            answer = await child.answer()
            assert answer is not None
            assert answer.outcome == ACK
        child.drain()
        await child.task
    assert (handler.done, handler.max_running) == (["wh_1", "wh_2"], 1)
    assert await settled(client)
    assert await consumers(client) == set()
    assert await client.execute_command("EXISTS", KEYS.alive(child.name)) == 0
    members = await client.execute_command("XINFO", "CONSUMERS", STREAM, GROUP)
    assert [flat[1] for flat in members] == [b"owner"]


async def test_g10_what_runs_when_the_socket_closes_is_finished_and_answered(client, redis_url):
    handler = Handler()
    (order,) = await suspects(client, "wh_1")
    async with a_child(redis_url, app_of(handler)) as child:
        await child.ready()
        child.order(order)
        await until(lambda: handler.began)
        child.drain()
        await until(child.stopping.is_set)
        handler.go()
        answer = await child.answer()
        assert answer is not None
        assert answer.outcome == ACK
        await child.task
    assert await settled(client)


async def test_g10_what_outlasts_the_grace_is_handed_over_without_an_answer_and_without_a_death(client, redis_url):
    (order,) = await suspects(client, "wh_1")
    async with a_child(redis_url, app_of(Handler()), grace_period_s=0.1) as child:
        await child.ready()
        child.order(order)
        await until(lambda: child.process._judge._slots.running)
        child.stopping.set()
        assert await child.answer() is None
        await child.task
    assert list((await pending(client)).values()) == [(HANDOVER, 0)]
    assert await consumers(client) == {HANDOVER.encode()}


async def test_g5_a_process_that_can_settle_no_more_dies_with_its_suspect_in_hand(client, redis_url, monkeypatch):
    handler = Handler()
    (order,) = await suspects(client, "wh_1")
    async with a_child(redis_url, app_of(handler)) as child:

        async def breaks(batch: object) -> None:
            raise RuntimeError("a bug of ours")

        monkeypatch.setattr(child.process._consumer.outcome_writer, "_write", breaks)
        await child.ready()
        child.order(order)
        await until(lambda: handler.began)
        handler.go()
        with pytest.raises(CrashError):
            await asyncio.wait_for(asyncio.shield(child.task), 20)
    assert list((await pending(client)).values()) == [(child.name, 1)]
    assert await consumers(client) == {child.name.encode()}
    assert await client.execute_command("EXISTS", KEYS.alive(child.name)) == 0


async def test_g5_one_that_can_settle_no_more_while_it_stops_dies_too(client, redis_url, monkeypatch):
    handler = Handler()
    (order,) = await suspects(client, "wh_1")
    async with a_child(redis_url, app_of(handler)) as child:
        await child.ready()
        child.order(order)
        await until(lambda: handler.began)
        break_at_the_finish(monkeypatch, child.process._consumer.outcome_writer, handler)
        child.drain()
        with pytest.raises(CrashError, match="while stopping"):
            await asyncio.wait_for(asyncio.shield(child.task), 20)
    assert list((await pending(client)).values()) == [(child.name, 1)]


async def test_the_lifespan_of_its_app_is_around_its_suspects(client, redis_url):
    happened: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(_: App) -> AsyncIterator[str]:
        happened.append("opened")
        yield "a pool"
        happened.append("closed")

    app = App(GROUP, lifespan=lifespan)

    @app.on(TYPE)
    async def handle(event: dict, delivery: Delivery[str]) -> None:
        happened.append(delivery.state)

    (order,) = await suspects(client, "wh_1")
    async with a_child(redis_url, app) as child:
        await child.ready()
        assert happened == ["opened"]
        child.order(order)
        await child.answer()
        child.drain()
        await child.task
    assert happened == ["opened", "a pool", "closed"]


async def test_it_ends_after_a_suspect_whose_handler_runs_on_as_the_next_would_not_be_alone(client, redis_url):
    app, release, began = App(GROUP), asyncio.Event(), []

    @app.on(TYPE, timeout=0.1)
    async def hang(event: dict, delivery: Delivery) -> None:
        began.append(delivery.webhook_id)
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()

    first, second = await suspects(client, "wh_1", "wh_2")
    async with a_child(redis_url, app) as child:
        await child.ready()
        child.order(first)
        child.order(second)
        answer = await child.answer()
        assert answer is not None
        assert isinstance(answer.outcome, Park)
        await child.task
        assert child.process.has_leftovers()
        release.set()
        await until(lambda: not child.process.has_leftovers())
    assert began == ["wh_1"]
    assert list((await pending(client)).values()) == [("owner", 1)]


async def test_without_redis_it_waits_and_ends_with_its_worker(tmp_path):
    async with a_child(f"unix://{tmp_path}/nothing.sock", app_of(Handler())) as child:
        child.drain()
        assert await child.answer() is None
        async with asyncio.timeout(20):
            await child.task


async def test_its_guard_watches_the_worker_and_stops_it(redis_url):
    async with a_child(redis_url, app_of(Handler())) as child:
        await child.ready()
        assert FakeGuard.last.parent == os.getppid()
        await asyncio.to_thread(FakeGuard.last.stop)
        async with asyncio.timeout(20):
            await child.task

import asyncio
import threading

import prometheus_client
from structlog.testing import capture_logs

from hookbus import Delivery, Retry
from hookbus.worker.pipeline.dead_letter import decode
from hookbus.worker.pipeline.deadline import CANCEL_S
from hookbus.worker.pipeline.overdue import Overdue, where
from tests.programs import Program
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, TYPE, a_delivery, a_route, join, pending, store, take
from tests.worker.subscriptions import runtime


class Swallows:
    """A handler that ignores its cancellation until the test lets it end."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.may_end = asyncio.Event()

    async def __call__(self, event: dict, delivery: Delivery) -> None:
        self.began.append(f"{delivery.webhook_id} {delivery.attempt}")
        while not self.may_end.is_set():
            try:
                await self.may_end.wait()
            except asyncio.CancelledError:
                continue

    def route(self, **options):
        async def handle(event: dict, delivery: Delivery) -> None:
            await self(event, delivery)

        return a_route(handle, timeout=0.05, **options)


def total() -> float:
    labels = {"group": GROUP, "pattern": TYPE}
    return prometheus_client.REGISTRY.get_sample_value("hookbus_worker_overdue_handlers_total", labels) or 0


async def test_a_handler_that_swallows_its_cancellation_has_failed_and_keeps_its_slot(client, redis_url):
    await join(client)
    await store(client, "wh_1")
    (in_flight,) = await take(client, "me")
    handler, before = Swallows(), total()
    async with runtime(redis_url, client, handler.route(concurrency=2)) as subscription:
        with capture_logs() as lines:
            subscription.subscriber.begin(in_flight)
            await until(lambda: client.execute_command("ZCARD", KEYS.delayed(GROUP)))
        assert await pending(client) == {}
        assert subscription.subscriber.overdue() == 1
        assert subscription.slots.running == 0
        assert subscription.slots.free(subscription.subscriber.overdue()) == 1
        handler.may_end.set()
        await until(lambda: subscription.subscriber.overdue() == 0)
    (line,) = [line for line in lines if line["event"] == "handler_overdue"]
    assert (line["webhook_id"], line["attempt"], line["overdue"], line["places"]) == ("wh_1", 1, 1, 2)
    assert total() == before + 1
    assert await client.execute_command("ZCARD", KEYS.delayed(GROUP)) == 1  # its late return wrote no second outcome


async def test_its_last_attempt_is_a_dead_letter_with_the_place_where_it_hangs(client, redis_url):
    await join(client)
    await store(client, "wh_1")
    (in_flight,) = await take(client, "me")
    handler = Swallows()
    async with runtime(redis_url, client, handler.route(retry=Retry(attempts=1))) as subscription:
        subscription.subscriber.begin(in_flight)
        await until(lambda: client.execute_command("ZCARD", KEYS.dead(GROUP)))
        handler.may_end.set()
    letter = decode(await client.execute_command("HGET", KEYS.dead_data(GROUP), "wh_1"))
    assert letter.reason == "attempts_exhausted"
    assert letter.message == f"timed out after 0.05 s, still running {CANCEL_S:g} s after it was cancelled"
    assert letter.frame == "test_overdue.py:Swallows.__call__"
    assert "await self.may_end.wait()" in letter.traceback


async def test_a_handler_that_cleans_up_in_time_is_not_overdue(client, redis_url):
    await join(client)
    await store(client, "wh_1")
    (in_flight,) = await take(client, "me")

    async def cleans_up(event: dict) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.1)

    async with runtime(redis_url, client, a_route(cleans_up, timeout=0.05)) as subscription:
        subscription.subscriber.begin(in_flight)
        await until(lambda: client.execute_command("ZCARD", KEYS.delayed(GROUP)))
        assert subscription.subscriber.overdue() == 0
        assert subscription.slots.free() == subscription.slots._concurrency


async def test_g10_a_stop_does_not_wait_for_what_is_overdue_nor_longer_than_until_it_is(client, redis_url):
    await join(client)
    await store(client, "wh_1", "wh_2")
    first, other = await take(client, "me")
    handler = Swallows()
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.subscriber.begin(first)
        await until(lambda: subscription.subscriber.overdue() == 1)
        subscription.subscriber.begin(other)
        async with asyncio.timeout(30):
            assert await subscription.subscriber.finish(60) == 0
        assert subscription.subscriber.overdue() == 2
        assert subscription.subscriber.has_leftovers()
        handler.may_end.set()
        await until(lambda: not subscription.subscriber.has_leftovers())


def test_a_thread_that_is_overdue_is_logged_too():
    overdue = Overdue(a_route(lambda event: None), 1)
    with capture_logs() as lines:
        overdue.begin(a_delivery())
    assert (overdue.count, lines[0]["event"], lines[0]["type"]) == (1, "handler_overdue", TYPE)
    overdue.end()
    assert overdue.count == 0


async def test_the_place_where_a_coroutine_waits_is_a_traceback_from_outside_to_inside():
    async def inner() -> None:
        await asyncio.Event().wait()

    async def outer() -> None:
        await inner()

    task = asyncio.create_task(outer())
    await asyncio.sleep(0)
    trace = where(task.get_coro())
    assert trace is not None
    names = []
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert names[:2] == ["outer", "inner"]
    task.cancel()
    assert where(None) is None
    assert where(threading.Event()) is None


APP = """
import asyncio
from hookbus import App, Retry

app = App("billing")

@app.on("response.completed", timeout=0.2, retry=Retry(attempts=2, base=0.1, cap=0.1))
async def swallows(event: dict) -> None:
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
"""


async def test_a_worker_whose_handler_never_ends_makes_it_a_dead_letter_and_stops_at_once(client, redis_url, tmp_path):
    (tmp_path / "handlers.py").write_text(APP)
    await store(client, "wh_1")
    run = ("hookbus-worker", "run", "handlers:app")
    with Program(*run, redis_url=redis_url, cwd=tmp_path, HOOKBUS_WORKER_OPS_LISTEN="127.0.0.1:0") as worker:
        await worker.until_logged("dead_letter", webhook_id="wh_1", reason="attempts_exhausted")
        assert [line["attempt"] for line in worker.logged("handler_overdue")] == [1, 2]
        assert await worker.end(timeout_s=20) == 0  # the grace period is twice that
        assert worker.logged("stopped")

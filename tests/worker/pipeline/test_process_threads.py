"""Plain handlers in threads."""

import asyncio
import contextvars
import threading

from hookbus.worker.pipeline.outcome import Ack
from hookbus.worker.pipeline.process import Caller, process
from tests.wait import until
from tests.worker.builders import a_delivery, a_route


async def test_plain_handlers_run_beside_each_other_in_threads_and_never_in_the_loops():
    names = set()
    together = threading.Barrier(3)

    def handler(event):
        together.wait(5)
        names.add(threading.current_thread().name)

    route = a_route(handler, concurrency=3)
    caller = Caller(route, 3)
    assert await asyncio.gather(*(process(a_delivery(), route, caller) for _ in range(3))) == [Ack()] * 3
    caller.close()
    assert len(names) == 3
    assert all(name.startswith("handler-billing") for name in names)


async def test_a_thread_that_outlives_its_timeout_counts_as_overdue_until_it_ends():
    go = threading.Event()
    route = a_route(lambda event: go.wait(20), timeout=0.05, concurrency=2)
    caller = Caller(route, 2)
    results = await asyncio.gather(*(process(a_delivery(), route, caller) for _ in range(2)))
    assert {result.cause.message for result in results} == {"timed out after 0.05 s"}
    assert caller.overdue.count == 2
    go.set()
    await until(lambda: caller.overdue.count == 0)
    caller.close()


async def test_the_place_of_a_thread_that_outlives_its_timeout_is_the_line_where_it_is():
    go = threading.Event()

    def handler(event):
        waits()

    def waits():
        go.wait(20)

    route = a_route(handler, timeout=0.05)
    caller = Caller(route, 1)
    cause = (await process(a_delivery(), route, caller)).cause
    go.set()
    await until(lambda: caller.overdue.count == 0)
    caller.close()
    assert (cause.error_class, cause.message) == ("TimeoutError", "timed out after 0.05 s")
    assert cause.frame.endswith("waits")
    assert cause.place == f"{__file__}:{waits.__code__.co_firstlineno + 1}"
    assert "in waits\n    go.wait(20)\n" in cause.traceback


async def test_the_place_of_a_coroutine_that_is_cancelled_at_its_timeout_is_its_line():
    async def handler(event: dict):
        await asyncio.sleep(20)

    route = a_route(handler, timeout=0.05)
    cause = (await process(a_delivery(), route, Caller(route, 1))).cause
    assert cause.place == f"{__file__}:{handler.__code__.co_firstlineno + 1}"


async def test_an_overdue_thread_that_fails_later_is_dropped_silently():
    go = threading.Event()

    def fails_late(event):
        go.wait(20)
        raise StopIteration

    route = a_route(fails_late, timeout=0.05)
    caller = Caller(route, 1)
    await process(a_delivery(), route, caller)
    go.set()
    await until(lambda: caller.overdue.count == 0)
    caller.close()


async def test_a_call_that_got_no_thread_in_time_never_runs_after_its_attempt_has_failed():
    go, runs = threading.Event(), []

    def handler(event, delivery):
        runs.append(delivery.webhook_id)
        go.wait(20)

    route = a_route(handler, timeout=0.1)
    caller = Caller(route, 1)
    names = ("wh_1", "wh_2")
    await asyncio.gather(*(process(a_delivery(webhook_id=name), route, caller) for name in names))
    assert caller.overdue.count == 1
    go.set()
    await until(lambda: caller.overdue.count == 0)
    assert await process(a_delivery(webhook_id="wh_3"), route, caller) == Ack()
    assert runs == ["wh_1", "wh_3"]
    caller.close()


async def test_a_plain_handler_begins_with_the_context_of_its_attempt_and_leaves_nothing_to_the_next():
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="none")
    contexts = []

    def handler(event):
        contexts.append(tenant.get())
        tenant.set("left behind")

    route = a_route(handler, concurrency=1)
    caller = Caller(route, 1)
    for _ in range(3):
        assert await process(a_delivery(), route, caller) == Ack()
    tenant.set("of the task")
    await process(a_delivery(), route, caller)
    caller.close()
    assert contexts == ["none", "none", "none", "of the task"]

"""Where a program has set `asyncio.eager_task_factory`, what begins in `create_task` would be noted too late."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from hookbus import App, Outcome
from hookbus.testing import Bus
from tests.wait import until
from tests.worker.builders import TYPE, a_route, join, settled, store
from tests.worker.subscriptions import runtime

T = TypeVar("T")

pytestmark = pytest.mark.needs("python-3.12")  # has eager tasks


def eager(loop: asyncio.AbstractEventLoop, run: Coroutine[Any, Any, T], **options: Any) -> "asyncio.Task[T]":
    """As `asyncio.eager_task_factory`, which Python 3.13.0 has without the argument that uvloop 0.22 passes."""
    return asyncio.Task(run, loop=loop, **options | {"eager_start": True})


@pytest.fixture(autouse=True)
async def eager_tasks():
    loop = asyncio.get_running_loop()
    loop.set_task_factory(eager)
    yield
    loop.set_task_factory(None)


async def quick(event: dict) -> None: ...


async def test_deliveries_of_a_handler_that_does_not_wait_are_settled(client, redis_url):
    await join(client)
    await store(client, "wh_1", "wh_2")
    async with runtime(redis_url, client, a_route(quick, concurrency=1)) as subscription:
        subscription.start()
        await until(lambda: settled(client))
        await store(client, "wh_3")
        await until(lambda: settled(client))
        assert subscription.subscriber.overdue() == 0
        assert subscription.slots.running == 0


async def test_a_read_is_woken_also_after_a_time_when_there_was_none(client, redis_url):
    async with runtime(redis_url, client, a_route(quick)) as subscription:
        reads = subscription.reader._reads
        reads.wake_soon()
        await reads.ended()
        assert reads._waking is None, "the next one would be left out"


async def test_an_app_is_told_of_a_failure_after_its_outcome_was_passed_on():
    order = []

    def told(delivery: object, error: BaseException, outcome: Outcome) -> None:
        order.append(outcome.is_retried)

    async def report(delivery: object, error: BaseException, outcome: Outcome) -> None:
        told(delivery, error, outcome)

    async def fail(event: dict) -> None:
        raise ValueError("no")

    app = App("billing", on_failure=report)
    app.on(TYPE)(fail)
    async with Bus(app) as bus:
        assert (await bus.deliver(TYPE)).is_retried
    assert order == [True]

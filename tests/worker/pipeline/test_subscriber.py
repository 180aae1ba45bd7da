import asyncio

import prometheus_client
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from hookbus import Delivery, Retry
from hookbus.worker.pipeline import deadline, subscriber
from hookbus.worker.pipeline.dead_letter import decode
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, TYPE, Handler, a_route, join, pending, store, take
from tests.worker.subscriptions import runtime


async def delivered(client, *names: str):
    await join(client)
    await store(client, *names)
    return await take(client, "me")


def counted(outcome: str) -> float:
    labels = {"group": GROUP, "type": TYPE, "outcome": outcome}
    return prometheus_client.REGISTRY.get_sample_value("hookbus_worker_deliveries_total", labels) or 0


async def test_a_delivery_runs_is_settled_and_counted(client, redis_url):
    (in_flight,) = await delivered(client, "wh_1")
    before = counted("handled")
    handler = Handler(is_open=True)
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.subscriber.begin(in_flight)
        assert subscription.slots.running == 1
        await until(lambda: _is_settled(client))
        assert handler.done == ["wh_1"]
        assert subscription.slots.running == 0
    assert counted("handled") == before + 1


async def _is_settled(client) -> bool:
    return not await pending(client)


async def test_a_handler_that_cancels_its_own_task_has_failed_and_is_not_pending_for_ever(client, redis_url):
    (in_flight,) = await delivered(client, "wh_1")

    async def cancels(event: dict) -> None:
        asyncio.current_task().cancel()
        await asyncio.Event().wait()

    async with runtime(redis_url, client, a_route(cancels)) as subscription:
        subscription.subscriber.begin(in_flight)
        await until(lambda: client.execute_command("ZCARD", KEYS.delayed(GROUP)))
        assert await _is_settled(client)
        assert subscription.slots.free() == subscription.slots._concurrency


@pytest.mark.parametrize("end", ["cancels its task", "fails", "runs into its timeout", "goes on after its timeout"])
async def test_snoozes_count_as_no_attempt_however_the_next_one_ends(client, redis_url, monkeypatch, end):
    """The fourth attempt after two snoozes is the second of three: parked, not dead-lettered."""
    monkeypatch.setattr(deadline, "CANCEL_S", 0.05)
    (in_flight,) = await delivered(client, "wh_1")
    snoozed = replace(in_flight, delivery=replace(in_flight.delivery, attempt=4, snoozes=2))
    may_end = asyncio.Event()

    async def handler(event: dict) -> None:
        match end:
            case "cancels its task":
                asyncio.current_task().cancel()
            case "fails":
                raise ValueError("no")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if end != "goes on after its timeout":
                raise
            await may_end.wait()

    async with runtime(redis_url, client, a_route(handler, timeout=0.1, retry=Retry(attempts=3))) as subscription:
        subscription.subscriber.begin(snoozed)
        await until(lambda: _is_settled(client))
        may_end.set()
        assert await client.execute_command("ZCARD", KEYS.delayed(GROUP)) == 1
        assert await client.execute_command("ZCARD", KEYS.dead(GROUP)) == 0


async def test_a_bug_of_hookbus_in_an_attempt_is_logged_at_once_and_the_delivery_retried(
    client, redis_url, monkeypatch
):
    (in_flight,) = await delivered(client, "wh_1")

    async def breaks(*_: object) -> None:
        raise RecursionError("ours")

    monkeypatch.setattr(subscriber, "process", breaks)
    async with runtime(redis_url, client, Handler().route()) as subscription:
        with capture_logs() as lines:
            subscription.subscriber.begin(in_flight)
            await until(lambda: client.execute_command("ZCARD", KEYS.delayed(GROUP)))
        assert await _is_settled(client)
        assert subscription.slots.free() == subscription.slots._concurrency
    (line,) = [line for line in lines if line["event"] == "attempt_crashed"]
    assert (line["webhook_id"], line["error"]) == ("wh_1", "RecursionError: ours")
    assert "in breaks" in line["traceback"]


async def test_an_entry_with_a_flaw_is_dead_lettered_without_a_handler(client, redis_url):
    (in_flight,) = await delivered(client, "wh_1")
    handler = Handler()
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.subscriber.begin(replace(in_flight, flaw="no id"))
        await until(lambda: _is_settled(client))
    letter = decode(await client.execute_command("HGET", KEYS.dead_data(GROUP), "wh_1"))
    assert (letter.reason, letter.message, handler.began) == ("undecodable", "no id", [])


async def test_g10_a_stop_waits_for_running_deliveries(client, redis_url):
    deliveries = await delivered(client, "wh_1", "wh_2")
    handler = Handler()
    async with runtime(redis_url, client, handler.route()) as subscription:
        for in_flight in deliveries:
            subscription.subscriber.begin(in_flight)
        await until(lambda: len(handler.began) == 2)
        finishing = asyncio.create_task(subscription.subscriber.finish(10))
        await asyncio.sleep(0)
        handler.go()
        assert await finishing == 0
        await until(lambda: _is_settled(client))


async def test_g10_deliveries_that_outlast_the_grace_are_cancelled_and_stay_pending_for_the_others(client, redis_url):
    deliveries = await delivered(client, "wh_1", "wh_2")
    began, ended = [], []

    async def hangs(event: dict, delivery: Delivery) -> None:
        began.append(delivery.webhook_id)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(delivery.webhook_id)

    async with runtime(redis_url, client, a_route(hangs)) as subscription:
        for in_flight in deliveries:
            subscription.subscriber.begin(in_flight)
        await until(lambda: len(began) == 2)
        assert await subscription.subscriber.finish(0.05) == 2
        assert len(await pending(client)) == 2
    assert sorted(ended) == ["wh_1", "wh_2"]
    assert await client.execute_command("EXISTS", KEYS.delayed(GROUP), KEYS.dead(GROUP)) == 0

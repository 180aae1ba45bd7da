"""How long suspects wait for other deliveries, and other deliveries for suspects."""

import asyncio
import contextlib

from msgspec.structs import replace

from hookbus import Delivery
from hookbus.worker.duties import suspects
from hookbus.worker.pipeline import subscriber
from tests.wait import until
from tests.worker.builders import TYPE, Handler, a_route, join, store
from tests.worker.running_suspects import delivered, marks, running_suspects


async def test_g7_a_pause_that_comes_while_the_others_leave_holds_the_suspect_too(client, redis_url):
    deliveries = await delivered(client, "wh_1", "wh_2")
    handler = Handler()
    async with running_suspects(redis_url, client, handler.route()) as harness:
        harness.other(deliveries[0])
        await until(lambda: handler.began == ["wh_1"])
        harness.suspect(replace(deliveries[1], times_delivered=3))
        await until(lambda: not harness.runtime.gate.is_open)
        await harness.runtime.reader.pause(frozenset({TYPE}))
        handler.go()
        await until(lambda: "wh_1" in handler.done)
        await until(lambda: harness.runtime.gate.is_open)
        assert handler.began == ["wh_1"]
        assert await marks(client) == []
        await harness.runtime.reader.pause(frozenset())
        harness.runtime.start()
        await until(lambda: handler.done == ["wh_1", "wh_2"])


async def test_an_open_breaker_delays_the_suspect_too_and_it_can_be_the_probe(client, redis_url):
    deliveries = await delivered(client, "wh_1", "wh_2")
    handler = Handler(is_open=True)
    async with running_suspects(redis_url, client, handler.route()) as harness:
        circuit_gate = harness.runtime.circuit.circuit_gate
        circuit_gate.set(0)
        for in_flight in deliveries:
            harness.suspect(replace(in_flight, times_delivered=3))
        await until(lambda: harness.runtime.slots.running == 0)
        assert handler.began == []
        harness.runtime.start()
        circuit_gate.set(1)
        await until(lambda: handler.done == ["wh_1"])
        assert circuit_gate.places == 0
        circuit_gate.set(None)
        await until(lambda: handler.done == ["wh_1", "wh_2"])


async def test_g7_a_suspect_of_a_paused_type_takes_no_slot_from_other_types(client, redis_url):
    (in_flight,) = await delivered(client, "wh_1")
    handler = Handler(is_open=True)
    async with running_suspects(redis_url, client, handler.route("*", concurrency=1)) as harness:
        harness.runtime.reader.add("batch.completed")
        await join(client, "batch.completed")
        await harness.runtime.reader.pause(frozenset({TYPE}))
        harness.suspect(replace(in_flight, times_delivered=3))
        harness.runtime.start()
        await store(client, "wh_2", event_type="batch.completed")
        await until(lambda: handler.done == ["wh_2"])
        await harness.runtime.reader.pause(frozenset())
        await until(lambda: handler.done == ["wh_2", "wh_1"])


async def test_g7_with_many_suspects_others_run_after_each_interval(client, redis_url, monkeypatch):
    monkeypatch.setattr(suspects, "SPELL_S", 0.1)
    deliveries = await delivered(client, *(f"wh_{i}" for i in range(1, 6)))
    began = []

    async def slow(event: dict, delivery: Delivery) -> None:
        began.append(delivery.webhook_id)
        if delivery.webhook_id != "wh_other":
            await asyncio.sleep(0.08)

    async with running_suspects(redis_url, client, a_route(slow)) as harness:
        for in_flight in deliveries:
            harness.suspect(replace(in_flight, times_delivered=3))
        await until(lambda: began == ["wh_1"])
        harness.runtime.start()
        await store(client, "wh_other")
        await until(lambda: len(began) == 6)
    assert began.index("wh_other") <= 3


async def test_a_suspect_that_swallows_its_cancellation_delays_neither_the_next_one_nor_a_stop(
    client, redis_url, monkeypatch
):
    monkeypatch.setattr(suspects, "ALONE_S", 0.05)
    monkeypatch.setattr(suspects, "OTHERS_S", 0.01)
    monkeypatch.setattr(suspects, "PATIENCE_S", 0.01)
    monkeypatch.setattr(subscriber, "CANCEL_S", 0.01)
    deliveries = await delivered(client, "wh_1", "wh_2")
    began, go = [], asyncio.Event()

    async def stubborn(event: dict, delivery: Delivery) -> None:
        began.append(delivery.webhook_id)
        while not go.is_set() and delivery.webhook_id == "wh_1":
            with contextlib.suppress(asyncio.CancelledError):
                await go.wait()

    async with running_suspects(redis_url, client, a_route(stubborn, timeout=0.01)) as harness:
        for in_flight in deliveries:
            harness.suspect(in_flight)
        await until(lambda: began == ["wh_1", "wh_2"])
        harness.suspects.finish()
        assert await harness.runtime.subscriber.finish(0.01) == 1
        await until(harness.task.done)
        assert harness.runtime.subscriber.has_leftovers()
        go.set()

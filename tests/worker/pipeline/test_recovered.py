"""What is remembered of deliveries that were handled after failures, and that it never stands in the way of the ack."""

import msgspec
import pytest

from hookbus import App, Delivery, Retry
from hookbus.shared import scripts
from hookbus.shared.entry import Entry, Failure, redelivery_fields
from hookbus.worker.api.delivery import InFlight
from hookbus.worker.inventory.redeliveries import relist
from hookbus.worker.pipeline import recovered
from hookbus.worker.pipeline.outcome import ACK, SKIP, Cause, DeadLetter
from hookbus.worker.pipeline.pending_outcome import PendingOutcome
from hookbus.worker.pipeline.recovered import Recovered
from hookbus.worker.pipeline.slots import Slots
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, OWN_STREAM, TYPE, join, pending, store, take
from tests.worker.running import running

FAILED = Failure(1, 1_000, 12, "host.1.abcd", "ValueError: no such customer")
SNOOZED = Failure(1, 1_000, 12, "host.1.abcd", "RetryLater", 3, 500)


async def redelivered(client, *names: str, history: tuple[Failure, ...] = (FAILED,)) -> list[InFlight]:
    """Deliveries in hand whose attempt 2 is a redelivery."""
    await store(client)  # the type; no event
    await join(client)
    for name in names:
        await client.execute_command(
            "XADD", OWN_STREAM, "*", *redelivery_fields(Entry(name, "openai", 5, b"{}"), 2, history)
        )
    assert await scripts.run(client, relist(KEYS, GROUP, TYPE)) in (b"created", b"there")
    return await take(client, "me", own=True)


async def settle(client, in_flight, outcome=ACK, ended_at_ms: int = 2_000, most: int = 10, term: str = "") -> int:
    item = PendingOutcome(in_flight, outcome, Slots(1), 0.25, ended_at_ms)
    return await scripts.run(client, item.call("me", term, most))


async def remembered(client) -> dict[str, Recovered]:
    flat = await client.execute_command("HGETALL", KEYS.recovered_data(GROUP))
    found = {name.decode(): recovered.decode(raw) for name, raw in zip(flat[::2], flat[1::2], strict=True)}
    names = await client.execute_command("ZRANGE", KEYS.recovered(GROUP), 0, -1)
    assert sorted(found) == sorted(map(bytes.decode, names))
    return found


async def test_an_ack_after_failures_keeps_how_it_went(client):
    (in_flight,) = await redelivered(client, "wh_1")
    assert await settle(client, in_flight) == 1
    assert await pending(client, own=True) == {}
    assert not await client.execute_command("EXISTS", OWN_STREAM)
    assert await remembered(client) == {"openai|wh_1": Recovered(TYPE, 2, 2_000, 250, "me", (FAILED,))}


async def test_nothing_is_kept_of_first_successes_snoozes_skips_and_failures(client):
    await join(client)
    await store(client, "wh_0")
    (first,) = await take(client, "me")
    (snoozed,) = await redelivered(client, "wh_1", history=(SNOOZED,))
    (failed,) = await redelivered(client, "wh_2", history=(FAILED, SNOOZED))
    assert [recovered.is_one(each, ACK) for each in (first, snoozed, failed)] == [False, False, True]
    assert not recovered.is_one(failed, SKIP)
    assert not recovered.is_one(failed, DeadLetter("rejected", Cause("E", "")))
    for each, outcome in ((snoozed, ACK), (failed, SKIP)):
        assert await settle(client, each, outcome) == 1
    assert await remembered(client) == {}


async def test_the_oldest_are_forgotten_and_none_is_kept_at_0(client):
    for i, in_flight in enumerate(await redelivered(client, *(f"wh_{i}" for i in range(6)))):
        assert await settle(client, in_flight, ended_at_ms=1_000 + i, most=3) == 1
    assert set(await remembered(client)) == {"openai|wh_3", "openai|wh_4", "openai|wh_5"}
    (more,) = await redelivered(client, "wh_6")
    assert await settle(client, more, most=0) == 1
    assert len(await remembered(client)) == 3
    (more,) = await redelivered(client, "wh_7")
    assert await settle(client, more, most=1) == 1
    assert set(await remembered(client)) == {"openai|wh_7"}, "the bound was lowered"


@pytest.mark.parametrize("key", [KEYS.recovered(GROUP), KEYS.recovered_data(GROUP)])
async def test_a_key_of_another_type_does_not_stop_the_ack(client, key):
    await client.execute_command("SET", key, "neither")
    (in_flight,) = await redelivered(client, "wh_1")
    assert await settle(client, in_flight) == 1
    assert not await client.execute_command("EXISTS", OWN_STREAM)
    await client.execute_command("DEL", key)
    assert await client.execute_command("EXISTS", KEYS.recovered(GROUP), KEYS.recovered_data(GROUP)) == 0


async def test_a_redis_that_is_nearly_full_keeps_none_and_a_full_one_acks(client):
    first, second = await redelivered(client, "wh_1", "wh_2")
    used = int((await client.execute_command("INFO", "memory")).decode().split("used_memory:")[1].split()[0])
    await client.execute_command("CONFIG", "SET", "maxmemory", round(used * 1.05))
    assert await settle(client, first) == 1
    assert await remembered(client) == {}
    await client.execute_command("CONFIG", "SET", "maxmemory", 1_000_000)
    assert await settle(client, second) == 1
    await client.execute_command("CONFIG", "SET", "maxmemory", 0)
    assert await pending(client, own=True) == {}
    assert await remembered(client) == {}


async def test_another_event_of_the_same_entry_id_is_neither_settled_nor_remembered(client):
    (in_flight,) = await redelivered(client, "wh_1")
    other = msgspec.structs.replace(in_flight, delivery=msgspec.structs.replace(in_flight.delivery, webhook_id="wh_x"))
    assert await settle(client, other, term="of another server") == 0
    assert await remembered(client) == {}
    assert len(await pending(client, own=True)) == 1


async def test_a_worker_remembers_what_it_handled_after_a_failure_and_nothing_else(client, redis_url):
    app, failing, handled = App(GROUP), {"wh_bad"}, []

    @app.on(TYPE, retry=Retry(base=0.01))
    async def handle(event: dict, delivery: Delivery) -> None:
        if delivery.webhook_id in failing:
            failing.remove(delivery.webhook_id)
            raise ValueError("no such customer")
        handled.append(delivery.webhook_id)

    async with running(redis_url, app):
        await store(client, "wh_good", "wh_bad")

        async def is_remembered() -> bool:
            return await client.execute_command("HLEN", KEYS.recovered_data(GROUP)) == 1

        await until(is_remembered)
    ((name, found),) = (await remembered(client)).items()
    assert (name, found.attempt) == ("openai|wh_bad", 2)
    assert [failure.error for failure in found.history] == ["ValueError: no such customer"]
    assert handled == ["wh_good", "wh_bad"]


async def test_none_is_remembered_where_the_setting_is_0(client, redis_url):
    app, attempts = App(GROUP), []

    @app.on(TYPE, retry=Retry(base=0.01))
    async def handle(event: dict, delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        if delivery.attempt == 1:
            raise ValueError("no such customer")

    async with running(redis_url, app, recovered_events=0):
        await store(client, "wh_bad")
        await until(lambda: attempts == [1, 2])

        async def is_settled() -> bool:
            return not await client.execute_command("EXISTS", OWN_STREAM)

        await until(is_settled)
    assert await remembered(client) == {}

import asyncio
import logging

import pytest
import structlog
from msgspec.structs import replace

from hookbus.shared.connection import connect
from hookbus.shared.keys import Keys
from hookbus.shared.raw_connection import RawConnection
from hookbus.shared.scripts import DEAD_LETTER, PARK
from hookbus.worker.pipeline.outcome import Ack, Cause, DeadLetter, Park
from hookbus.worker.pipeline.settle import SETTLED_EARLIER, TAKEN_OVER
from hookbus.worker.pipeline.slots import Slots
from tests.wait import until
from tests.worker.builders import (
    GROUP,
    KEYS,
    STREAM,
    TYPE,
    an_in_flight,
    commandstats,
    join,
    pending,
    redeliver,
    store,
    take,
)  # fmt: skip
from tests.worker.subscriptions import settling

CAUSE = Cause("ValueError", "no")


async def delivered(client, *names: str, own: bool = False):
    await join(client)
    await (redeliver(client, *names) if own else store(client, *names))
    return await take(client, "me", own=own)


def settle_all(outcome_writer, deliveries, outcome, slots: Slots | None = None) -> Slots:
    slots = slots or Slots(1000)
    for in_flight in deliveries:
        slots.take(in_flight)
        slots.leave()
        outcome_writer.settle(in_flight, outcome, slots, 0.1)
    return slots


async def test_acks_of_one_tick_are_one_command_per_stream(client):
    deliveries = await delivered(client, *(f"wh_{i}" for i in range(100)))
    own = await delivered(client, "wh_a", "wh_b", own=True)
    await client.execute_command("CONFIG", "RESETSTAT")
    async with settling(client) as outcome_writer:
        slots = settle_all(outcome_writer, [*deliveries, *own], Ack())
        await outcome_writer.all_written()
    assert (await pending(client), await pending(client, own=True)) == ({}, {})
    assert not any(slots.holds(in_flight) for in_flight in (*deliveries, *own))
    stats = await commandstats(client)
    assert (stats["xack"], stats["xdel"]) == (1 + len(own), len(own))


async def test_outcomes_that_arrive_while_a_batch_is_written_form_the_next_batch(client, redis_url):
    deliveries = await delivered(client, *(f"wh_{i}" for i in range(50)))
    writer = connect(redis_url, "tests:settle")
    await client.execute_command("CONFIG", "RESETSTAT")
    await client.execute_command("CLIENT", "PAUSE", 10_000, "WRITE")
    async with settling(writer) as outcome_writer:
        settle_all(outcome_writer, deliveries[:1], Ack())
        await until(lambda: _blocked(client))
        settle_all(outcome_writer, deliveries[1:], Ack())
        await client.execute_command("CLIENT", "UNPAUSE")
        await outcome_writer.all_written()
    await writer.aclose()
    assert await pending(client) == {}
    assert (await commandstats(client))["xack"] == 2


async def _blocked(client) -> bool:
    clients = (await client.execute_command("CLIENT", "LIST")).decode().splitlines()
    fields = [dict(field.partition("=")[::2] for field in line.split()) for line in clients]
    return any(client["name"] == "tests:settle" and "b" in client["flags"] for client in fields)


async def test_parks_and_letters_are_announced_and_logged_with_delivery_and_cause(client):
    parked, dead = await delivered(client, "wh_1", "wh_2")
    parked = replace(parked, delivery=replace(parked.delivery, traceparent=f"00-{'a' * 32}-{'b' * 16}-01"))
    with structlog.testing.capture_logs() as logs:
        async with settling(client) as outcome_writer:
            settle_all(outcome_writer, [parked], Park(5, CAUSE))
            settle_all(outcome_writer, [dead], DeadLetter("rejected", CAUSE))
            await outcome_writer.all_written()
            ((shard, group, due_ms),) = outcome_writer.announced
    assert (shard, group) == (Keys(0), GROUP)
    assert await client.execute_command("ZSCORE", KEYS.delayed(GROUP), parked.name) == str(due_ms).encode()
    shared = {"type": TYPE, "source": "openai", "group": GROUP, "attempt": 1, "error": "ValueError: no"}
    assert logs == [
        {"event": "parked", "log_level": "info", "webhook_id": "wh_1", "trace_id": "a" * 32, "wait_s": 5, **shared},
        {"event": "dead_letter", "log_level": "error", "webhook_id": "wh_2", "reason": "rejected", **shared},
    ]


async def test_a_consumer_that_lost_the_delivery_neither_parks_nor_dead_letters_it_and_logs_that(client):
    deliveries = await delivered(client, "wh_1", "wh_2")
    for in_flight in deliveries:
        await client.execute_command("XCLAIM", in_flight.stream, GROUP, "other", 0, in_flight.entry_id)
    with structlog.testing.capture_logs() as logs:
        async with settling(client) as outcome_writer:
            slots = settle_all(outcome_writer, deliveries[:1], Park(5, CAUSE))
            settle_all(outcome_writer, deliveries[1:], DeadLetter("rejected", CAUSE), slots)
            await outcome_writer.all_written()
            assert outcome_writer.announced == []
    assert [(log["event"], log["reason"]) for log in logs] == [("outcome_discarded", TAKEN_OVER)] * 2
    assert {owner for owner, _ in (await pending(client)).values()} == {"other"}
    assert await client.execute_command("EXISTS", KEYS.delayed(GROUP), KEYS.dead(GROUP)) == 0
    assert not any(slots.holds(in_flight) for in_flight in deliveries)


async def test_a_late_ack_is_harmless(client):
    (in_flight,) = await delivered(client, "wh_1")
    await client.execute_command("XACK", in_flight.stream, GROUP, in_flight.entry_id)
    async with settling(client) as outcome_writer:
        settle_all(outcome_writer, [in_flight], Ack())
        await outcome_writer.all_written()


async def test_scripts_that_redis_forgot_are_loaded_and_run_once(client):
    deliveries = await delivered(client, *(f"wh_{i}" for i in range(6)))
    await client.execute_command("SCRIPT", "FLUSH")
    async with settling(client) as outcome_writer:
        settle_all(outcome_writer, deliveries[:2], Park(5, CAUSE))
        settle_all(outcome_writer, deliveries[2:4], DeadLetter("rejected", CAUSE))
        settle_all(outcome_writer, deliveries[4:], Ack())
        await outcome_writer.all_written()
        assert len(outcome_writer.announced) == 2
    assert await pending(client) == {}
    assert await client.execute_command("ZCARD", KEYS.delayed(GROUP)) == 2
    assert await client.execute_command("ZCARD", KEYS.dead(GROUP)) == 2


async def test_outcomes_of_a_vanished_group_are_discarded(client):
    deliveries = await delivered(client, "wh_1", "wh_2", "wh_3")
    await client.execute_command("FLUSHALL")
    async with settling(client) as outcome_writer:
        slots = settle_all(outcome_writer, deliveries[:1], Ack())
        settle_all(outcome_writer, deliveries[1:2], Park(5, CAUSE), slots)
        settle_all(outcome_writer, deliveries[2:], DeadLetter("rejected", CAUSE), slots)
        await outcome_writer.all_written()
    assert not any(slots.holds(in_flight) for in_flight in deliveries)
    assert await client.execute_command("DBSIZE") == 0


async def test_while_redis_is_unreachable_outcomes_wait_and_none_is_lost(own_server):
    client = connect(own_server.url, "tests")
    deliveries = await delivered(client, "wh_1", "wh_2", "wh_3")
    with structlog.testing.capture_logs() as logs:
        async with settling(client) as outcome_writer:
            await asyncio.to_thread(own_server.stop)
            slots = settle_all(outcome_writer, deliveries[:1], Ack())
            settle_all(outcome_writer, deliveries[1:2], Park(5, CAUSE), slots)
            settle_all(outcome_writer, deliveries[2:], DeadLetter("rejected", CAUSE), slots)
            await until(lambda: [log for log in logs if log["event"] == "settling_delayed"])
            assert all(slots.holds(in_flight) for in_flight in deliveries)
            await asyncio.to_thread(own_server.start)
            await outcome_writer.all_written()
    assert await pending(client) == {}
    assert await client.execute_command("ZCARD", KEYS.delayed(GROUP)) == 1
    assert await client.execute_command("ZCARD", KEYS.dead(GROUP)) == 1
    assert not any(slots.holds(in_flight) for in_flight in deliveries)
    await client.aclose()


class LosesOneReply(RawConnection):
    """The first commands run, but their replies are lost."""

    is_lost = False

    async def execute_all(self, commands):
        replies = await super().execute_all(commands)
        if not self.is_lost:
            self.is_lost = True
            raise ConnectionResetError("lost on the way")
        return replies


@pytest.mark.parametrize(
    "outcome", [Ack(), Park(5, CAUSE), DeadLetter("rejected", CAUSE)], ids=["ack", "park", "dead_letter"]
)
async def test_an_outcome_whose_reply_was_lost_is_written_once_and_not_blamed_on_another_consumer(client, outcome):
    deliveries = await delivered(client, "wh_1")
    for script in (PARK, DEAD_LETTER):
        await client.script_load(script.source)
    with structlog.testing.capture_logs() as logs:
        async with settling(LosesOneReply(client)) as outcome_writer:
            slots = settle_all(outcome_writer, deliveries, outcome)
            await outcome_writer.all_written()
    assert await pending(client) == {}
    parked = await client.execute_command("ZCARD", KEYS.delayed(GROUP))
    dead = await client.execute_command("ZCARD", KEYS.dead(GROUP))
    assert (parked, dead) == (isinstance(outcome, Park), isinstance(outcome, DeadLetter))
    reasons = [log["reason"] for log in logs if log["event"] == "outcome_discarded"]
    assert reasons == ([] if outcome == Ack() else [SETTLED_EARLIER])
    assert not slots.holds(deliveries[0])


async def test_an_outcome_that_redis_refuses_is_retried_and_delays_no_other(client):
    refused, fine = await delivered(client, "wh_1", "wh_2")
    await client.execute_command("SET", KEYS.delayed(GROUP), "of the wrong type")
    async with settling(client) as outcome_writer:
        slots = settle_all(outcome_writer, [refused], Park(5, CAUSE))
        settle_all(outcome_writer, [fine], Ack(), slots)
        await until(lambda: not slots.holds(fine))
        assert slots.holds(refused)
        await client.execute_command("DEL", KEYS.delayed(GROUP))
        await outcome_writer.all_written()
    assert await pending(client) == {}


async def test_g7_an_ack_for_a_stream_of_another_type_is_void_and_delays_no_other(client):
    refused, *_ = await delivered(client, "wh_1")
    await client.execute_command("SET", STREAM, "no stream")
    async with settling(client) as outcome_writer:
        slots = settle_all(outcome_writer, [refused], Ack())
        async with asyncio.timeout(0.5):
            await outcome_writer.all_written()
    assert not slots.holds(refused)


async def test_g7_dead_letters_that_cannot_be_written_are_retried_and_none_is_written_twice(client):
    bad, *_ = await delivered(client, "wh_1")
    await client.execute_command("SET", KEYS.dead(GROUP), "no letters")
    async with settling(client) as outcome_writer:
        slots = settle_all(outcome_writer, [bad], DeadLetter("rejected", CAUSE))
        await until(lambda: outcome_writer._refused)
        await until(
            lambda: (
                outcome_writer._refused
                and outcome_writer._refused[0].was_refused
                and outcome_writer._refused[0].past_the_limit
            )
        )
        assert outcome_writer.failing_s() == 0  # one bad key is no reason to be unready
        assert slots.holds(bad)
        assert await client.execute_command("HLEN", KEYS.dead_data(GROUP)) == 0
        await client.execute_command("DEL", KEYS.dead(GROUP))
        await outcome_writer.all_written()
    assert await client.execute_command("HKEYS", KEYS.dead_data(GROUP)) == [b"wh_1"]


async def test_the_time_without_a_written_outcome_is_measured_and_ends_by_itself(client):
    """A primary without its replicas refuses each command as a whole."""
    first, *_ = await delivered(client, "wh_1")
    async with settling(client) as outcome_writer:
        assert outcome_writer.failing_s() == 0
        await client.execute_command("CONFIG", "SET", "min-replicas-to-write", 1)
        try:
            settle_all(outcome_writer, [first], Ack())
            await until(lambda: outcome_writer.failing_s() > 0)
        finally:
            await client.execute_command("CONFIG", "SET", "min-replicas-to-write", 0)
        await outcome_writer.all_written()
        assert outcome_writer.failing_s() == 0


async def test_a_flush_without_outcomes_returns_at_once(own_server):
    own_server.stop()  # later outcomes are never written
    async with settling(connect(own_server.url, "tests")) as outcome_writer:
        async with asyncio.timeout(1):
            await outcome_writer.all_written()
        outcome_writer.settle(an_in_flight(), Ack(), Slots(1), 0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(outcome_writer.all_written(), 0.01)


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
async def test_handled_deliveries_are_logged_only_at_debug_level(client, level):
    (in_flight,) = await delivered(client, "wh_1")
    root = logging.getLogger()
    before = root.level
    root.setLevel(level)
    try:
        with structlog.testing.capture_logs() as logs:
            async with settling(client) as outcome_writer:
                settle_all(outcome_writer, [in_flight], Ack())
                await outcome_writer.all_written()
    finally:
        root.setLevel(before)
    lines = [(log["event"], log["log_level"], log["webhook_id"]) for log in logs]
    assert lines == ([("handled", "debug", "wh_1")] if level == logging.DEBUG else [])

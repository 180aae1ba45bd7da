"""Breakers of several processes over one Redis."""

import asyncio
import re

import pytest

from hookbus import RetryLater
from hookbus.shared import clock, scripts
from hookbus.worker.api.retry import Retry
from hookbus.worker.duties import circuit, look
from hookbus.worker.inventory.suspensions import KEY, Opened, encode, field
from hookbus.worker.pipeline.cause import Cause
from hookbus.worker.pipeline.outcome import Ack, DeadLetter, Park, failed
from tests.wait import until
from tests.worker.builders import GROUP, TYPE, Handler, join, store
from tests.worker.commands import succeeded
from tests.worker.dead_letters import create_groups
from tests.worker.process_of_one import FIELD, Process, stored
from tests.worker.subscriptions import runtime

CAUSE = Cause("ValueError", "no", "", "a.py:f")
FAILED = Park(1, CAUSE)
ELSEWHERE = Park(1, Cause("ValueError", "no", "", "b.py:g"))
TIMED_OUT = Park(1, Cause("TimeoutError", "timed out after 5 s"))
LATER = failed(RetryLater(5), 1, Retry())
UNREAD = DeadLetter("undecodable", Cause("ValidationError", "no"))


async def opened(*circuits: Process) -> None:
    """The first circuit opens its breaker, and the others read it."""
    for _ in range(3):
        circuits[0].observe(FAILED, TYPE)
    for each in circuits:
        await each.apply()


async def test_a_run_of_failures_opens_it_here_at_once_and_elsewhere_within_an_interval(client, now, a_process):
    first, second = a_process(), a_process()
    for _ in range(2):
        first.observe(FAILED, TYPE)
    assert not first.circuit_gate.is_blocked
    first.observe(FAILED, TYPE)
    assert first.circuit_gate.places == 0
    await first.apply()
    await second.apply()
    assert second.circuit_gate.places == 0
    assert await stored(client) == Opened((await stored(client)).fingerprint, "ValueError: no", now[0], now[0] + 10_000)


@pytest.mark.parametrize(
    "failures",
    [
        [(FAILED, TYPE), (FAILED, "batch.completed")],
        [(FAILED, TYPE), (TIMED_OUT, TYPE)],
        [(FAILED, TYPE), (ELSEWHERE, TYPE)],
        [(FAILED, TYPE), (DeadLetter("attempts_exhausted", CAUSE), TYPE)],
        [(FAILED, TYPE), (LATER, TYPE), (FAILED, TYPE), (UNREAD, TYPE)],
    ],
    ids=["two types", "two errors", "two places", "a last attempt", "decisions and what never ran between"],
)
async def test_an_outage_with_several_errors_opens_the_breaker_like_one_with_a_single_error(a_process, failures):
    breaker = a_process(failures=4)
    counted = 0
    for outcome, event_type in failures * 2:
        breaker.observe(outcome, event_type)
        counted += outcome not in (LATER, UNREAD)
        assert breaker.circuit_gate.is_blocked == (counted >= 4)


async def test_any_success_in_between_keeps_the_breaker_closed(a_process):
    breaker = a_process()
    for outcome in (FAILED, FAILED, Ack(), FAILED, TIMED_OUT, DeadLetter("rejected", CAUSE), FAILED, FAILED):
        breaker.observe(outcome, TYPE)
    assert not breaker.circuit_gate.is_blocked


async def test_after_its_delay_one_process_probes_with_one_delivery(client, now, a_process):
    circuits = [a_process() for _ in range(3)]
    await opened(*circuits)
    now[0] += 9_999
    for each in circuits:
        await each.apply()
    assert [each.circuit_gate.places for each in circuits] == [0, 0, 0]
    now[0] += 1
    await asyncio.gather(*(each.apply() for each in circuits))
    assert sorted(each.circuit_gate.places for each in circuits) == [0, 0, 1]


async def test_a_successful_probe_closes_the_breaker_everywhere(client, now, a_process):
    first, second = a_process(), a_process()
    await opened(first, second)
    now[0] += 10_000
    await second.apply()
    assert second.circuit_gate.places == 1
    second.circuit_gate.take()
    second.observe(Ack(), TYPE)
    await second.apply()
    await first.apply()
    assert (first.circuit_gate.places, second.circuit_gate.places) == (None, None)
    assert await client.execute_command("EXISTS", KEY) == 0
    first.observe(FAILED, TYPE)
    assert not first.circuit_gate.is_blocked  # the count of failures restarts


async def test_a_failed_probe_doubles_the_delay_up_to_the_cap(client, now, a_process):
    breaker = a_process()
    await opened(breaker)
    waits = []
    for _ in range(4):
        now[0] = (await stored(client)).until_ms
        await breaker.apply()
        breaker.circuit_gate.take()
        breaker.observe(FAILED, TYPE)
        await breaker.apply()
        assert breaker.circuit_gate.places == 0
        waits.append((await stored(client)).until_ms - now[0])
    assert waits == [20_000, 40_000, 40_000, 40_000]


async def test_a_probe_that_neither_succeeded_nor_failed_is_followed_by_another(client, now, a_process):
    breaker = a_process()
    await opened(breaker)
    now[0] += 10_000
    await breaker.apply()
    breaker.circuit_gate.take()
    breaker.observe(DeadLetter("undecodable", Cause("E", "")), TYPE)
    assert breaker.circuit_gate.places == 1


async def test_a_probe_whose_process_died_counts_as_lost_and_another_worker_probes(client, now, a_process):
    dead, claimant = a_process(), a_process()
    await opened(dead, claimant)
    now[0] += 10_000
    await dead.apply()
    await claimant.apply()
    assert claimant.circuit_gate.places == 0
    now[0] += 30_000 + circuit.MARGIN_MS
    await claimant.apply()
    assert claimant.circuit_gate.places == 1
    await dead.apply()  # it was only slow
    assert dead.circuit_gate.places == 0


async def test_a_late_outcome_neither_reopens_the_breaker_nor_shortens_its_delay(client, now, a_process):
    breaker = a_process()
    await opened(breaker)
    before = await stored(client)
    breaker.observe(FAILED, TYPE)
    await breaker.apply()
    assert await stored(client) == before


async def test_an_attempt_that_asks_for_a_change_waits_for_no_interval(client, a_process, monkeypatch):
    monkeypatch.setattr(look, "INTERVAL_S", 60)
    breaker = a_process()
    await breaker.lookout.look()
    before = breaker.lookout.last
    async with breaker.running():
        await breaker.lookout.after(before)
        for _ in range(3):
            breaker.observe(FAILED, TYPE)
        await until(lambda: stored(client))
    assert breaker.circuit_gate.places == 0


async def test_a_look_from_before_the_own_step_is_not_applied_and_the_next_is_at_once(client, a_process):
    breaker = a_process()
    await breaker.lookout.look()
    await opened(breaker)
    async with breaker.running(looks=False):
        assert breaker.circuit_gate.places == 0
        assert breaker.lookout._hurry.is_set()


async def test_g7_while_redis_refuses_the_key_a_suspension_stays(client, a_process):
    breaker = a_process()
    await opened(breaker)
    await breaker.lookout.look()
    before = breaker.lookout.last.suspended
    await client.delete(KEY)
    await client.set(KEY, "a slip")
    await breaker.lookout.look()
    assert breaker.lookout.last.suspended == before != {}
    assert KEY in breaker.lookout._unusable_keys


async def test_swap_does_nothing_when_another_was_first(client):
    expected, ours, others = b"", encode(Opened("f", "E", 1, 2)), encode(Opened("f", "E", 1, 3))
    await client.execute_command("HSET", KEY, FIELD, others)
    assert await scripts.run(client, scripts.Call(scripts.SWAP, (KEY,), (FIELD, expected, ours))) == 0
    assert await client.execute_command("HGET", KEY, FIELD) == others
    assert await scripts.run(client, scripts.Call(scripts.SWAP, (KEY,), (FIELD, others, b""))) == 1
    assert await client.execute_command("EXISTS", KEY) == 0


async def test_in_a_full_redis_the_breaker_opens_probes_and_closes(client, now, a_process):
    breaker = a_process()
    await client.execute_command("CONFIG", "SET", "maxmemory", 1)
    await opened(breaker)
    now[0] += 10_000
    await breaker.apply()
    assert breaker.circuit_gate.places == 1
    breaker.observe(Ack(), TYPE)
    await breaker.apply()
    assert not breaker.circuit_gate.is_blocked


async def test_a_subscription_without_a_breaker_is_never_suspended_by_failures(a_process):
    process = a_process(has_breaker=False)
    for _ in range(1000):
        process.observe(FAILED, TYPE)
        await process.apply()
    assert not process.circuit_gate.is_blocked


async def test_a_blocked_subscription_begins_nothing_and_its_deliveries_wait(client, redis_url):
    handler = Handler(is_open=True)
    await join(client)
    await store(client, "wh_1", "wh_2", "wh_3")
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.circuit.circuit_gate.set(0)
        subscription.start()
        assert subscription.slots.free() == 0
        subscription.circuit.circuit_gate.set(1)
        await until(lambda: len(handler.done) == 1)
        assert subscription.circuit.circuit_gate.places == 0
        subscription.circuit.circuit_gate.set(None)
        await until(lambda: len(handler.done) == 3)


async def test_status_shows_the_breaker_and_resume_closes_it(client, redis_url):
    await create_groups(client, GROUP)
    now_ms = clock.now_ms()
    breaker = Opened("abc123", "E: down", now_ms, now_ms + 5000)
    await client.execute_command("HSET", KEY, field(GROUP, "batch.*"), encode(breaker))
    text = " ".join(succeeded(redis_url, "status").split())
    assert re.search(r"breaker of batch\.\* open for \S+, tries in \d\S* \(abc123: E: down\)", text)
    assert "breaker or hold of batch.* ended" in succeeded(redis_url, "resume", GROUP, "batch.*")
    assert "breaker" not in succeeded(redis_url, "status")

"""Breakers of several processes over one Redis."""

import asyncio

import pytest

from hookbus import Breaker, Delivery
from hookbus.shared import clock, scripts
from hookbus.shared.keys import Keys
from hookbus.worker.api.decision import RetryLater
from hookbus.worker.api.retry import Retry
from hookbus.worker.duties import circuit
from hookbus.worker.duties.circuit import Circuit
from hookbus.worker.inventory.open_breakers import Opened, decode, encode
from hookbus.worker.pipeline.cause import Cause
from hookbus.worker.pipeline.outcome import Ack, DeadLetter, Park, failed
from tests.wait import until
from tests.worker.builders import GROUP, TYPE, Handler, a_route, join, runtime, store
from tests.worker.commands import succeeded
from tests.worker.dead_letters import create_groups

CAUSE = Cause("ValueError", "no", "", "a.py:f")
FAILED = Park(1, CAUSE)
ELSEWHERE = Park(1, Cause("ValueError", "no", "", "b.py:g"))
TIMED_OUT = Park(1, Cause("TimeoutError", "timed out after 5 s"))
LATER = failed(RetryLater(5), 1, Retry())
UNREAD = DeadLetter("undecodable", Cause("ValidationError", "no"))
KEY = Keys(0).breakers(GROUP)


async def handle(event: dict, delivery: Delivery) -> None: ...


@pytest.fixture
def now(monkeypatch):
    """The time, which the test advances."""
    time_ms = [1_000_000]
    monkeypatch.setattr(circuit, "now_ms", lambda: time_ms[0])
    return time_ms


def a_circuit(client, consumer: str = "me", **options) -> Circuit:
    route = a_route(handle, breaker=Breaker(**{"failures": 3, "delay": 10, "cap": 40} | options))
    return Circuit(client, route, consumer, asyncio.Event())


async def opened(client, *circuits: Circuit) -> None:
    """The first circuit opens its breaker, and the others read it."""
    for _ in range(3):
        circuits[0].observe(FAILED, TYPE)
    for each in circuits:
        await each.apply()


async def stored_breaker(client) -> Opened:
    return decode(await client.execute_command("HGET", KEY, TYPE))


async def test_a_run_of_failures_opens_it_here_at_once_and_elsewhere_within_an_interval(client, now):
    first, second = a_circuit(client, "one"), a_circuit(client, "two")
    for _ in range(2):
        first.observe(FAILED, TYPE)
    assert not first.circuit_gate.is_blocked
    first.observe(FAILED, TYPE)
    assert first.circuit_gate.places == 0
    await first.apply()
    await second.apply()
    assert second.circuit_gate.places == 0
    assert await stored_breaker(client) == Opened(
        (await stored_breaker(client)).fingerprint, "ValueError: no", now[0], now[0] + 10_000
    )


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
async def test_an_outage_with_several_errors_opens_the_breaker_like_one_with_a_single_error(client, now, failures):
    breaker = a_circuit(client, failures=4)
    counted = 0
    for outcome, event_type in failures * 2:
        breaker.observe(outcome, event_type)
        counted += outcome not in (LATER, UNREAD)
        assert breaker.circuit_gate.is_blocked == (counted >= 4)


async def test_any_success_in_between_keeps_the_breaker_closed(client):
    breaker = a_circuit(client)
    for outcome in (FAILED, FAILED, Ack(), FAILED, TIMED_OUT, DeadLetter("rejected", CAUSE), FAILED, FAILED):
        breaker.observe(outcome, TYPE)
    assert not breaker.circuit_gate.is_blocked


async def test_after_its_delay_one_process_probes_with_one_delivery(client, now):
    circuits = [a_circuit(client, name) for name in ("one", "two", "three")]
    await opened(client, *circuits)
    now[0] += 9_999
    for each in circuits:
        await each.apply()
    assert [each.circuit_gate.places for each in circuits] == [0, 0, 0]
    now[0] += 1
    await asyncio.gather(*(each.apply() for each in circuits))
    assert sorted(each.circuit_gate.places for each in circuits) == [0, 0, 1]


async def test_a_successful_probe_closes_the_breaker_everywhere(client, now):
    first, second = a_circuit(client, "one"), a_circuit(client, "two")
    await opened(client, first, second)
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


async def test_a_failed_probe_doubles_the_delay_up_to_the_cap(client, now):
    breaker = a_circuit(client)
    await opened(client, breaker)
    waits = []
    for _ in range(4):
        now[0] = (await stored_breaker(client)).try_ms
        await breaker.apply()
        breaker.circuit_gate.take()
        breaker.observe(FAILED, TYPE)
        await breaker.apply()
        assert breaker.circuit_gate.places == 0
        waits.append((await stored_breaker(client)).try_ms - now[0])
    assert waits == [20_000, 40_000, 40_000, 40_000]


async def test_a_probe_that_neither_succeeded_nor_failed_is_followed_by_another(client, now):
    breaker = a_circuit(client)
    await opened(client, breaker)
    now[0] += 10_000
    await breaker.apply()
    breaker.circuit_gate.take()
    breaker.observe(DeadLetter("undecodable", Cause("E", "")), TYPE)
    assert breaker.circuit_gate.places == 1


async def test_a_probe_whose_process_died_counts_as_lost_and_another_worker_probes(client, now):
    dead, claimant = a_circuit(client, "dead"), a_circuit(client, "other")
    await opened(client, dead, claimant)
    now[0] += 10_000
    await dead.apply()
    await claimant.apply()
    assert claimant.circuit_gate.places == 0
    now[0] += 30_000 + circuit.MARGIN_MS
    await claimant.apply()
    assert claimant.circuit_gate.places == 1
    await dead.apply()  # it was only slow
    assert dead.circuit_gate.places == 0


async def test_a_late_outcome_neither_reopens_the_breaker_nor_shortens_its_delay(client, now):
    breaker = a_circuit(client)
    await opened(client, breaker)
    before = await stored_breaker(client)
    breaker.observe(FAILED, TYPE)
    await breaker.apply()
    assert await stored_breaker(client) == before


async def test_swap_does_nothing_when_another_was_first(client):
    expected, ours, others = b"", encode(Opened("f", "E", 1, 2)), encode(Opened("f", "E", 1, 3))
    await client.execute_command("HSET", KEY, TYPE, others)
    assert await scripts.run(client, scripts.Call(scripts.SWAP, (KEY,), (TYPE, expected, ours))) == 0
    assert await client.execute_command("HGET", KEY, TYPE) == others
    assert await scripts.run(client, scripts.Call(scripts.SWAP, (KEY,), (TYPE, others, b""))) == 1
    assert await client.execute_command("EXISTS", KEY) == 0


async def test_in_a_full_redis_the_breaker_opens_probes_and_closes(client, now):
    breaker = a_circuit(client)
    await client.execute_command("CONFIG", "SET", "maxmemory", 1)
    await opened(client, breaker)
    now[0] += 10_000
    await breaker.apply()
    assert breaker.circuit_gate.places == 1
    breaker.observe(Ack(), TYPE)
    await breaker.apply()
    assert not breaker.circuit_gate.is_blocked


async def test_a_subscription_without_a_breaker_is_never_suspended(client):
    breaker = Circuit(client, a_route(handle, breaker=None), "me", asyncio.Event())
    for _ in range(1000):
        breaker.observe(FAILED, TYPE)
    assert not breaker.circuit_gate.is_blocked
    await breaker.run()  # has nothing to do


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
    await client.execute_command("HSET", KEY, "batch.*", encode(Opened("abc123", "E: down", now_ms, now_ms + 5000)))
    text = " ".join(succeeded(redis_url, "status").split())
    assert "breaker of batch.* open (abc123: E: down)" in text
    assert "breaker of batch.* closed" in succeeded(redis_url, "resume", GROUP, "batch.*")
    assert "breaker" not in succeeded(redis_url, "status")

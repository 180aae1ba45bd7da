"""Holds and pauses by handlers, of several processes over one Redis."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog

from hookbus import App, Delivery, Hold, Pause, Retry
from hookbus.shared import clock
from hookbus.shared.keys import Keys
from hookbus.worker.duties import circuit
from hookbus.worker.inventory import pauses
from hookbus.worker.inventory.suspensions import KEY, Held, encode, field
from hookbus.worker.pipeline.cause import Cause
from hookbus.worker.pipeline.outcome import Park, failed
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, OWN_STREAM, TYPE, join, store
from tests.worker.commands import objects, succeeded
from tests.worker.dead_letters import subscribe
from tests.worker.process_of_one import FIELD, Process, stored
from tests.worker.running import running


def held_for(seconds: float) -> Park:
    found = failed(Hold(seconds), 1, Retry())
    assert isinstance(found, Park)
    return found


async def test_a_hold_closes_the_subscription_everywhere_and_ends_by_itself(client, now, a_process):
    first, second = a_process(), a_process(has_breaker=False)
    first.observe(held_for(30), TYPE)
    assert first.circuit_gate.places == 0
    await first.apply()
    await second.apply()
    assert second.circuit_gate.places == 0
    assert await stored(client) == Held("Hold: for 30 s", now[0], now[0] + 30_000)
    now[0] += 30_000
    await asyncio.gather(first.apply(), second.apply())
    await asyncio.gather(first.apply(), second.apply())
    assert (first.circuit_gate.places, second.circuit_gate.places) == (None, None)
    assert await client.execute_command("EXISTS", KEY) == 0


async def test_the_longest_hold_of_several_workers_counts(client, now, a_process):
    first, second = a_process(), a_process()
    for process, seconds in ((first, 30), (second, 60), (first, 10)):
        process.observe(held_for(seconds), TYPE)
        await process.apply()
    assert (await stored(client)).until_ms == now[0] + 60_000


async def test_two_workers_that_hold_at_once_lose_neither_hold(client, now, a_process):
    first, second = a_process(), a_process()
    first.observe(held_for(30), TYPE)
    second.observe(held_for(60), TYPE)
    await asyncio.gather(first.apply(), second.apply())
    assert first.circuit_gate.places == second.circuit_gate.places == 0
    await asyncio.gather(first.apply(), second.apply())
    assert (await stored(client)).until_ms == now[0] + 60_000


async def test_in_a_full_redis_a_hold_begins_and_ends_and_a_pause_begins(client, now, a_process):
    process = a_process()
    await client.execute_command("CONFIG", "SET", "maxmemory", 1)
    process.observe(held_for(30), TYPE)
    await process.apply()
    assert isinstance(await stored(client), Held)
    now[0] += 30_000
    await process.apply()
    assert not process.circuit_gate.is_blocked
    process.observe(failed(Pause("no credit"), 1, Retry()), TYPE)
    await process.apply()
    assert (await pauses.fetch(client, [KEYS], GROUP))[TYPE].reason == "no credit"


async def test_a_pause_is_stored_in_every_shard_and_this_process_waits_until_its_readers_know(client, now):
    process = Process(client, now, shards=[Keys(0), Keys(1)])
    process.observe(failed(Pause("no credit"), 1, Retry()), TYPE)
    assert process.circuit_gate.places == 0
    await process.apply()
    for keys in (Keys(0), Keys(1)):
        assert (await pauses.fetch(client, [keys], GROUP))[TYPE].reason == "no credit"
    await process.apply()
    assert process.circuit_gate.places == 0
    now[0] += circuit.PAUSE_EFFECT_MS
    await process.apply()
    assert process.circuit_gate.places is None


async def test_a_pause_is_written_once_and_only_with_its_step(client, now, a_process):
    """An operator may resume while the step is tried again."""
    first, second = a_process(), a_process()
    for process in (first, second):
        for _ in range(3):
            process.observe(Park(1, Cause("ValueError", "no")), TYPE)
    first.observe(failed(Pause("no credit"), 1, Retry()), TYPE)
    await second.apply()
    await first.circuits.apply({}, now[0])  # by a look from before
    assert await pauses.fetch(client, [KEYS], GROUP) == {}
    await first.apply()
    assert (await pauses.fetch(client, [KEYS], GROUP))[TYPE].reason == "no credit"
    await pauses.erase(client, [KEYS], GROUP, TYPE)
    await first.apply()
    assert await pauses.fetch(client, [KEYS], GROUP) == {}


async def test_a_hold_that_comes_while_a_pause_is_stored_is_not_lost(client, now, a_process, monkeypatch):
    """An attempt may end while the step of an earlier one is written."""
    process, write = a_process(), pauses.write

    async def meanwhile(*args) -> list[str]:
        process.observe(held_for(30), TYPE)
        return await write(*args)

    monkeypatch.setattr(pauses, "write", meanwhile)
    process.observe(failed(Pause("no credit"), 1, Retry()), TYPE)
    await process.apply()
    monkeypatch.undo()
    await process.apply()
    assert isinstance(await stored(client), Held)


async def test_status_shows_a_hold_and_a_handlers_pause_and_resume_ends_both(client, redis_url):
    await subscribe(client, TYPE, "batch.*")
    now_ms = clock.now_ms()
    held = Held("Hold: for 90 s", now_ms, now_ms + 90_000)
    await client.execute_command("HSET", KEY, FIELD, encode(held))
    await client.execute_command("HSET", KEY, field(GROUP, "batch.*"), encode(Held("over", 1, 2)))
    await pauses.write(client, [KEYS], GROUP, "batch.*", "no credit")
    text = " ".join(succeeded(redis_url, "status").split())
    assert f"{TYPE} held for 1m more (Hold: for 90 s)" in text
    assert "paused: batch.* (no credit)" in text
    (status,) = objects(redis_url, "status", "--json")
    assert status["groups"][GROUP]["held"][TYPE]["until_ms"] == held.until_ms
    assert "batch.*" not in status["groups"][GROUP]["held"]
    assert status["groups"][GROUP]["paused"]["batch.*"]["reason"] == "no credit"
    assert f"breaker or hold of {TYPE} ended" in succeeded(redis_url, "resume", GROUP, TYPE)
    succeeded(redis_url, "resume", GROUP)
    text = succeeded(redis_url, "status")
    assert "held" not in text
    assert "paused" not in text


@contextlib.asynccontextmanager
async def with_two_events(client, redis_url, first: Exception) -> AsyncIterator[list[tuple[str, int]]]:
    """A worker whose handler raises an exception at its first call. Yields webhook-id and attempt of each call."""
    calls: list[tuple[str, int]] = []
    app = App(GROUP)

    @app.on(TYPE, concurrency=1)
    async def handle(event: dict, delivery: Delivery) -> None:
        calls.append((delivery.webhook_id, delivery.counted_attempt))
        if len(calls) == 1:
            raise first

    await join(client)
    await store(client, "wh_1", "wh_2")
    async with running(redis_url, app):
        yield calls


async def test_a_handler_that_holds_is_not_called_until_the_hold_ends(client, redis_url):
    async with with_two_events(client, redis_url, Hold(3)) as calls:
        await until(lambda: calls)
        began = clock.now_ms()
        await until(lambda: len(calls) == 3)
        assert clock.now_ms() - began >= 2_000
        assert sorted(calls) == [("wh_1", 1), ("wh_1", 1), ("wh_2", 1)]


async def test_a_handler_that_pauses_is_not_called_until_an_operator_resumes(client, redis_url):
    async with with_two_events(client, redis_url, Pause("no credit")) as calls:
        with structlog.testing.capture_logs() as logs:
            await until(lambda: any(log["event"] == "paused" for log in logs))
        assert next(log for log in logs if log["event"] == "paused")["reason"] == "no credit"
        await until(lambda: client.execute_command("XLEN", OWN_STREAM))  # its delivery waits with the others
        assert calls == [("wh_1", 1)]
        await pauses.erase(client, [KEYS], GROUP, TYPE)
        await until(lambda: len(calls) == 3)
        assert sorted(calls) == [("wh_1", 1), ("wh_1", 1), ("wh_2", 1)]

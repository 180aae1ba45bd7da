import asyncio

import pytest

from hookbus.shared import keys as names
from tests.wait import until
from tests.worker.builders import (
    GROUP,
    KEYS,
    STREAM,
    Handler,
    an_in_flight,
    consumers,
    join,
    pending,
    redeliver,
    register,
    release,
    take,
)
from tests.worker.claimant import claimant
from tests.worker.takeovers import die_with, take_over  # fmt: skip


async def test_g4_deliveries_of_a_dead_consumer_run_here_and_the_dead_consumer_is_removed(client, redis_url):
    handler = Handler(is_open=True)
    await die_with(client, "wh_1", "wh_2")
    await redeliver(client, "wh_3")
    await take(client, "dead", own=True)
    async with claimant(redis_url, client, handler) as worker:
        await worker.round()
        await until(lambda: sorted(handler.done) == ["wh_1", "wh_2", "wh_3"])
        assert await consumers(client) == {b"me"}
    consumers_left = await client.execute_command("XINFO", "CONSUMERS", STREAM, GROUP)
    assert b"dead" not in [consumer[1] for consumer in consumers_left]


async def test_g4_deliveries_of_an_alive_consumer_are_not_claimed(client, redis_url):
    handler = Handler(is_open=True)
    await die_with(client, "wh_1", consumer="alive")
    await client.execute_command("SET", KEYS.alive("alive"), 1)
    async with claimant(redis_url, client, handler) as worker:
        await worker.round()
        assert {owner for owner, _ in (await pending(client)).values()} == {"alive"}
        assert await consumers(client) == {b"me", b"alive"}
    assert handler.began == []


async def test_no_consumer_is_declared_dead_before_all_had_time_to_renew_their_keys(client, redis_url):
    handler = Handler(is_open=True)
    await die_with(client, "wh_1")
    async with claimant(redis_url, client, handler) as worker:
        worker.liveness.steady = False
        running = asyncio.create_task(worker.duty.run())
        with pytest.raises(AssertionError):
            await until(lambda: handler.began, timeout_s=0.3)
        worker.liveness.steady = True
        await until(lambda: handler.done == ["wh_1"])
        worker.stopping.set()
        worker.lookout._wake()
        async with asyncio.timeout(0.5):
            await running


async def test_right_after_a_restart_of_redis_a_silent_consumer_elsewhere_is_given_time(client, redis_url):
    await die_with(client, "wh_1")
    async with claimant(redis_url, client, handler := Handler(is_open=True)) as worker:
        worker.liveness.steady = False
        await worker.round()
        assert handler.began == []
        worker.liveness.steady = True
        await worker.round()
        await until(lambda: handler.done == ["wh_1"])


async def test_g4_while_the_own_liveness_key_is_gone_too_no_consumer_is_declared_dead(client, redis_url):
    """A step of Redis' clock expires all liveness keys at once."""
    handler = Handler(is_open=True)
    await die_with(client, "wh_1")
    async with claimant(redis_url, client, handler) as worker:
        await client.execute_command("DEL", KEYS.alive("me"))
        await worker.round()
        assert await pending(client, consumer="dead")
        await register(client, "me")
        await worker.round()
        await until(lambda: handler.done == ["wh_1"])


async def test_g4_a_step_of_redis_clock_counts_when_it_is_detected_while_liveness_keys_are_read(
    client, redis_url, monkeypatch
):
    """Our own liveness key exists again by then, but those of others may not."""
    await die_with(client, "wh_1")
    async with claimant(redis_url, client, Handler(is_open=True)) as worker:
        execute = client.execute_command

        async def ask_meanwhile(*command):
            worker.liveness.steady = worker.liveness.steady and command[0] != "MGET"
            return await execute(*command)

        monkeypatch.setattr(client, "execute_command", ask_meanwhile)
        await worker.round()
        assert await pending(client, consumer="dead")


@pytest.mark.parametrize("info", ["", "{", "[]", '{"pid": "many"}', '{"new": 1}', "\\xff"])
async def test_a_registration_of_another_release_does_not_stop_a_worker(client, redis_url, info):
    await join(client)
    await register(client, "strange", info=info)
    async with claimant(redis_url, client, Handler()) as worker:
        await worker.round()
        assert await consumers(client) == {b"me", b"strange"}


async def test_claims_stay_within_the_slots_and_the_dead_consumer_stays_until_none_remain(client, redis_url):
    handler = Handler()
    await die_with(client, "wh_1", "wh_2", "wh_3")
    async with claimant(redis_url, client, handler, concurrency=2) as worker:
        await worker.round()
        await until(lambda: len(handler.began) == 2)
        assert len(await pending(client, consumer="dead")) == 1
        assert await consumers(client) == {b"me", b"dead"}
        handler.go()
        await until(lambda: len(handler.done) == 2)
        await worker.round()
        await until(lambda: len(handler.done) == 3)
        assert await consumers(client) == {b"me"}


async def test_a_delivery_that_the_reader_began_in_the_meantime_is_not_begun_again(client, redis_url):
    handler = Handler()
    async with claimant(redis_url, client, handler) as worker:
        for in_flight in (an_in_flight(), an_in_flight()):
            worker.runtime.subscriber.accept(in_flight)
        await until(lambda: handler.began == ["wh_1"])
        assert worker.runtime.slots.running == 1


# Suspicion.


async def test_release_and_takeover_keep_the_count_so_that_a_stop_raises_no_suspicion(client, redis_url):
    handler = Handler(is_open=True)
    await die_with(client, "wh_1", consumer="one")
    for leaving, claimant_name in (("one", "two"), ("two", "three"), ("three", "four"), ("four", "five")):
        assert await release(client, leaving) == 1
        (claimed,) = await take_over(client, names.HANDOVER, claimant_name)
        assert claimed[1] == 0  # times delivered before, as for a first delivery
        assert list((await pending(client)).values()) == [(claimant_name, 1)]
    assert await release(client, "five") == 1
    async with claimant(redis_url, client, handler) as worker:
        await worker.round()
        await until(lambda: handler.done == ["wh_1"])
        assert await consumers(client) == {b"me"}


async def test_g7_a_stream_that_redis_refuses_does_not_prevent_a_takeover_of_the_others(client, redis_url):
    handler = Handler(is_open=True)
    await die_with(client, "wh_1")
    await client.execute_command("SET", KEYS.stream("batch.failed"), "no stream")
    async with claimant(redis_url, client, handler) as worker:
        sources = worker.runtime.reader.streams.all
        later = dict(sources)
        sources.clear()
        worker.runtime.reader.add("batch.failed")
        sources |= later
        await worker.round()
        await until(lambda: handler.done == ["wh_1"])
        assert await consumers(client) == {b"me"}
        assert KEYS.stream("batch.failed") in worker.runtime.unusable_keys

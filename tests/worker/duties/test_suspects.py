import asyncio

import pytest
import structlog
from msgspec.structs import replace

from hookbus import Delivery
from hookbus.shared.connection import connect
from hookbus.worker.duties import suspects
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, TYPE, Handler, Runtime, a_route, pending
from tests.worker.running_suspects import delivered, marks, running_suspects


async def test_a_suspect_runs_alone_and_one_after_the_other_while_the_gate_holds_the_rest(client, redis_url):
    deliveries = await delivered(client, "wh_1", "wh_2", "wh_3")
    handler = Handler()
    async with running_suspects(redis_url, client, handler.route()) as harness:
        harness.suspect(deliveries[0])
        harness.suspect(deliveries[1])
        await until(lambda: handler.began == ["wh_1"])
        harness.runtime.start()  # and begin the other deliveries of this process
        await _waits_for_a_slot(harness.runtime)
        handler.go()
        await until(lambda: len(handler.done) == 3)
        assert handler.max_running == 1
        await until(lambda: _is_quiet(client))


async def _waits_for_a_slot(subscription: Runtime) -> None:
    subscription.slots.changed.set()
    await until(lambda: not subscription.slots.changed.is_set())


async def _is_quiet(client) -> bool:
    return not await pending(client) and not await marks(client)


async def test_the_mark_of_a_suspect_is_set_before_its_start_and_removed_at_its_end(client, redis_url):
    (in_flight,) = await delivered(client, "wh_1")
    marks_seen = []

    async def fetch(event: dict, delivery: Delivery) -> None:
        marks_seen.append(await marks(client))

    async with running_suspects(redis_url, client, a_route(fetch)) as harness:
        harness.suspect(in_flight)
        await until(lambda: _is_quiet(client))
    assert marks_seen == [[b"me", in_flight.name.encode()]]


async def test_no_suspect_starts_without_its_mark_however_long_redis_is_unreachable(own_server):
    client = connect(own_server.url, "tests")
    (in_flight,) = await delivered(client, "wh_1")
    handler = Handler()
    async with running_suspects(own_server.url, client, handler.route()) as harness:
        await asyncio.to_thread(own_server.stop)
        harness.suspect(in_flight)
        with pytest.raises(AssertionError):
            await until(lambda: handler.began, timeout_s=0.2)
        await asyncio.to_thread(own_server.start)
        await until(lambda: handler.began == ["wh_1"])
        assert await marks(client) == [b"me", in_flight.name.encode()]
    await client.aclose()


async def test_in_a_full_redis_a_suspect_is_marked_since_others_wait_behind_it(client, redis_url):
    (in_flight,) = await delivered(client, "wh_1")
    handler = Handler()
    async with running_suspects(redis_url, client, handler.route()) as harness:
        await client.execute_command("CONFIG", "SET", "maxmemory", 1)
        harness.suspect(in_flight)
        await until(lambda: handler.began == ["wh_1"])
        assert await marks(client) == [b"me", in_flight.name.encode()]
        handler.go()
        await until(lambda: _is_quiet(client))


async def test_a_suspect_that_survives_is_settled_and_its_deaths_are_removed(client, redis_url):
    (in_flight,) = await delivered(client, "wh_1")
    await client.execute_command("HSET", KEYS.deaths(GROUP), in_flight.name, "a@1", "other", "a@1")
    async with running_suspects(redis_url, client, Handler(is_open=True).route()) as harness:
        harness.suspect(in_flight)
        await until(lambda: _is_quiet(client))
        await until(lambda: _deaths(client, [b"other"]))


async def _deaths(client, expected: list[bytes]) -> bool:
    return await client.execute_command("HKEYS", KEYS.deaths(GROUP)) == expected


async def test_running_deliveries_get_a_bounded_time_to_end_then_the_suspect_runs_unmarked(
    client, redis_url, monkeypatch
):
    monkeypatch.setattr(suspects, "PATIENCE_S", 0.05)
    deliveries = await delivered(client, "wh_1", "wh_2")
    handler = Handler()
    with structlog.testing.capture_logs() as logs:
        async with running_suspects(redis_url, client, handler.route()) as harness:
            harness.other(deliveries[0])
            await until(lambda: handler.began == ["wh_1"])
            harness.suspect(deliveries[1])
            await until(lambda: handler.began == ["wh_1", "wh_2"])
            assert await marks(client) == []
    (log,) = [log for log in logs if log["event"] == "suspect_started"]
    assert (log["is_alone"], log["webhook_id"], log["type"], log["group"]) == (False, "wh_2", TYPE, GROUP)


async def test_a_suspect_that_runs_long_loses_its_mark_and_the_others_continue(client, redis_url, monkeypatch):
    monkeypatch.setattr(suspects, "ALONE_S", 0.05)
    deliveries = await delivered(client, "wh_1", "wh_2")
    handler = Handler()
    async with running_suspects(redis_url, client, handler.route()) as harness:
        harness.suspect(deliveries[0])
        await until(lambda: handler.began == ["wh_1"])
        harness.runtime.start()
        await until(lambda: handler.began == ["wh_1", "wh_2"])
        assert await marks(client) == []
        handler.go()
        await until(lambda: len(handler.done) == 2)


@pytest.mark.parametrize(("times_delivered", "factor"), [(3, 1), (4, 4), (5, 16), (60, 4**8)])
async def test_both_waits_quadruple_with_each_death_up_to_a_bound(
    client, redis_url, monkeypatch, times_delivered, factor
):

    waits = []
    (in_flight,) = await delivered(client, "wh_1")
    async with running_suspects(redis_url, client, Handler(is_open=True).route()) as harness:
        close = harness.runtime.gate.close

        async def record(patience_s: float) -> bool:
            waits.append(patience_s)
            return await close(patience_s)

        monkeypatch.setattr(harness.runtime.gate, "close", record)
        harness.suspect(replace(in_flight, times_delivered=times_delivered))
        await until(lambda: _is_quiet(client))
    assert waits == [suspects.PATIENCE_S * factor]


async def test_g10_a_stop_gives_the_suspect_its_grace_and_starts_no_other(client, redis_url):
    deliveries = await delivered(client, "wh_1", "wh_2")
    handler = Handler()
    async with running_suspects(redis_url, client, handler.route()) as harness:
        for in_flight in deliveries:
            harness.suspect(in_flight)
        await until(lambda: handler.began == ["wh_1"])
        harness.suspects.finish()
        finishing = asyncio.create_task(harness.runtime.subscriber.finish(10))
        handler.go()
        assert await finishing == 0
        await until(harness.task.done)
        assert handler.began == handler.done == ["wh_1"]
        await until(lambda: _is_marked_by_nobody(client))
        assert list(await pending(client)) == [deliveries[1].entry_id]


async def _is_marked_by_nobody(client) -> bool:
    return not await marks(client) and len(await pending(client)) == 1


async def test_g10_a_suspect_that_outlasts_the_grace_is_cancelled_without_a_death_and_stays_pending(client, redis_url):
    (in_flight,) = await delivered(client, "wh_1")
    handler = Handler()
    async with running_suspects(redis_url, client, handler.route()) as harness:
        harness.suspect(in_flight)
        await until(lambda: handler.began == ["wh_1"])
        harness.suspects.finish()
        assert await harness.runtime.subscriber.finish(0.01) == 1
        await until(harness.task.done)
        assert await marks(client) == []
        assert list(await pending(client)) == [in_flight.entry_id]


async def test_a_stop_without_a_suspect_waits_for_none(client, redis_url):
    async with running_suspects(redis_url, client, Handler().route()) as harness:
        harness.suspects.finish()
        await until(harness.task.done)


async def test_a_suspect_that_fails_is_settled_like_any_other_and_the_next_has_its_turn(client, redis_url):
    deliveries = await delivered(client, "wh_1", "wh_2")

    async def fails(event: dict) -> None:
        raise OSError("no")

    async with running_suspects(redis_url, client, a_route(fails)) as harness:
        for in_flight in deliveries:
            harness.suspect(in_flight)
        await until(lambda: _is_quiet(client))
    assert await client.execute_command("ZCARD", KEYS.delayed(GROUP)) == 2

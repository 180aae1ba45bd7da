import asyncio
import time

from hookbus.worker.pipeline.plan import Ask
from tests.wait import until
from tests.worker.builders import (
    STREAM,
    TYPE,
    Handler,
    an_in_flight,
    commandstats,
    join,
    pending,
    redeliver,
    settled,
    store,
)
from tests.worker.subscriptions import runtime


async def test_a_reader_begins_stored_and_new_entries_of_both_streams(client, redis_url):
    handler = Handler(is_open=True)
    await join(client)
    await store(client, "wh_1")
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.start()
        await until(lambda: handler.done == ["wh_1"])
        await store(client, "wh_2")
        await redeliver(client, "wh_3")
        await subscription.open()
        await until(lambda: sorted(handler.done) == ["wh_1", "wh_2", "wh_3"])
        await until(lambda: settled(client))


async def test_never_more_is_read_than_there_are_slots(client, redis_url):
    handler = Handler()
    await join(client)
    await store(client, *(f"wh_{i}" for i in range(20)))
    async with runtime(redis_url, client, handler.route(concurrency=3)) as subscription:
        subscription.start()
        await until(lambda: len(handler.began) == 3)
        assert len(await pending(client)) == 3
        assert subscription.slots.free() == 0
        handler.go()
        await until(lambda: len(handler.done) == 20)
        assert handler.max_running == 3


async def test_overdue_threads_keep_their_slots_so_that_nothing_is_read_for_them(client, redis_url):
    handler = Handler()
    await join(client)
    await store(client, *(f"wh_{i}" for i in range(5)))
    async with runtime(redis_url, client, handler.route(concurrency=2)) as subscription:
        subscription.subscriber._caller.overdue.count = 1
        subscription.start()
        await until(lambda: len(handler.began) == 1)
        assert len(await pending(client)) == 1


TYPES = [f"my.type{i}" for i in range(15)]


async def test_with_many_streams_and_few_slots_reads_stay_within_the_slots_and_no_stream_starves(client, redis_url):
    """30 streams, all with a backlog, one slot: waiting entries must stay in Redis for other consumers."""
    handler, surplus = Handler(is_open=True), []
    await join(client, *TYPES)
    for event_type in TYPES:
        await store(client, *(f"{event_type}-{i}" for i in range(4)), event_type=event_type)
    async with runtime(redis_url, client, handler.route("my.*", concurrency=1)) as subscription:
        begin = subscription.subscriber.begin

        def count_and_begin(in_flight):
            surplus.append(len(subscription.subscriber.surplus))
            begin(in_flight)

        subscription.subscriber.begin = count_and_begin
        subscription.start(*TYPES)
        await until(lambda: len(handler.done) == 60)
    assert set(surplus) == {0}
    first = {name.partition("-")[0] for name in handler.done[:30]}
    assert len(first) > 7  # reads of the busy streams continue, and yet every type is read


async def test_a_busy_stream_among_many_fills_the_slots(client, redis_url):
    handler = Handler()
    await join(client, *TYPES)
    await store(client, *(f"wh_{i}" for i in range(100)), event_type=TYPES[7])
    async with runtime(redis_url, client, handler.route("my.*", concurrency=60)) as subscription:
        subscription.start(*TYPES)
        await until(lambda: len(handler.began) == 60)


async def test_idle_a_reader_costs_one_read_in_two_seconds(client, redis_url):
    handler = Handler()
    await join(client, *TYPES)
    async with runtime(redis_url, client, handler.route("my.*", concurrency=1)) as subscription:
        subscription.start(*TYPES)
        await until(lambda: subscription.reader.silent_s() > 0.5)
        await client.execute_command("CONFIG", "RESETSTAT")
        await until(lambda: _has_read(client), timeout_s=3)
        assert (await commandstats(client))["xreadgroup"] == 1


async def _has_read(client) -> int:
    return (await commandstats(client)).get("xreadgroup", 0)


async def test_a_type_that_is_added_is_read_from_the_next_call_on(client, redis_url):
    handler = Handler(is_open=True)
    await join(client, *TYPES[:2])
    async with runtime(redis_url, client, handler.route("my.*")) as subscription:
        subscription.start(TYPES[0])
        await until(lambda: subscription.reader.silent_s() > 0.05)
        await store(client, "wh_1", event_type=TYPES[1])
        subscription.reader.add(TYPES[1])
        await subscription.reader.wake()
        await until(lambda: handler.done == ["wh_1"], timeout_s=1)
        assert subscription.reader.streams.types == TYPES[:2]


async def test_a_read_that_has_not_reached_redis_yet_is_ended_too(client, redis_url, monkeypatch):
    await join(client)
    async with runtime(redis_url, client, Handler().route()) as subscription:
        subscription.reader.add(TYPE)
        await subscription.reader._reads.greet()
        execute, is_overtaken = subscription.line.execute_command, asyncio.Event()

        async def ask_late(*command):
            await is_overtaken.wait()
            return await execute(*command)

        async def unblock(*command):
            ended = await control(*command)
            is_overtaken.set()
            return ended

        monkeypatch.setattr(subscription.line, "execute_command", ask_late)
        control = subscription.control.execute_command
        monkeypatch.setattr(subscription.control, "execute_command", unblock)
        turns = subscription.reader.streams.turns[subscription.subscriber]
        ask = Ask([(turns, [STREAM])], 1, 60_000)
        read = asyncio.create_task(subscription.reader._wait_for(ask, set()))
        await until(lambda: subscription.reader.silent_s() > 0)
        async with asyncio.timeout(3):
            await subscription.reader.wake()
            await read


async def test_a_stop_ends_a_blocking_read_at_once_and_loses_nothing(client, redis_url):
    handler = Handler(is_open=True)
    await join(client)
    for i in range(10):
        async with runtime(redis_url, client, handler.route()) as subscription:
            subscription.start()
            await until(lambda: subscription.reader.silent_s() > 0.02)
            began = time.monotonic()
            await asyncio.gather(subscription.stop(), store(client, f"wh_{i}"))
            assert time.monotonic() - began < 1
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.start()
        await until(lambda: sorted(set(handler.done)) == sorted(f"wh_{i}" for i in range(10)))


async def test_a_stop_ends_the_wait_for_a_slot_at_once_and_begins_nothing_more(client, redis_url):
    handler = Handler()
    await join(client)
    await store(client, "wh_1", "wh_2")
    async with runtime(redis_url, client, handler.route(concurrency=1)) as subscription:
        subscription.start()
        await until(lambda: handler.began == ["wh_1"])
        async with asyncio.timeout(0.5):
            await subscription.stop()
        handler.go()
        await until(lambda: handler.done == ["wh_1"])
        assert handler.began == ["wh_1"]


async def test_an_accepted_delivery_begins_when_there_is_a_slot_and_only_once(client, redis_url):
    handler = Handler()
    async with runtime(redis_url, client, handler.route(concurrency=1)) as subscription:
        for name, number in (("wh_1", 1), ("wh_2", 2), ("wh_2", 2), ("wh_1", 1)):
            subscription.subscriber.accept(an_in_flight(name, number))
        await until(lambda: handler.began == ["wh_1"])
        await join(client)
        subscription.start()
        handler.go()
        await until(lambda: handler.done == ["wh_1", "wh_2"])
        await subscription.stop()
        assert handler.done == ["wh_1", "wh_2"]


async def test_a_read_that_does_not_return_shows_in_its_age(client, redis_url):
    await join(client)
    async with runtime(redis_url, client, Handler().route()) as subscription:
        assert subscription.reader.silent_s() == 0
        subscription.start()
        await until(lambda: subscription.reader.silent_s() > 0.1)

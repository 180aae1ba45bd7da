"""Recovery of a reader from lost replies, connections, groups or a lost Redis."""

import asyncio

from hookbus.shared.connection import connect
from hookbus.worker.pipeline import read, slots
from tests.wait import until
from tests.worker.builders import (
    GROUP,
    KEYS,
    OWN_STREAM,
    STREAM,
    TYPE,
    Handler,
    an_in_flight,
    commandstats,
    join,
    pending,
    redeliver,
    store,
    take,
)
from tests.worker.subscriptions import runtime


async def test_own_pending_entries_whose_reply_was_lost_are_begun(client, redis_url):
    handler = Handler(is_open=True)
    await join(client)
    await store(client, "wh_1", "wh_2")
    await redeliver(client, "wh_3")
    for stream in (STREAM, OWN_STREAM):
        await client.execute_command("XREADGROUP", "GROUP", GROUP, "me", "STREAMS", stream, ">")
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.start()
        await until(lambda: sorted(handler.done) == ["wh_1", "wh_2", "wh_3"])


async def test_a_delivery_in_flight_is_not_begun_again_when_own_pending_entries_are_read(client, redis_url):
    handler = Handler()
    await join(client)
    await store(client, "wh_1", "wh_2")
    async with runtime(redis_url, client, handler.route(concurrency=2)) as subscription:
        subscription.start()
        await until(lambda: len(handler.began) == 2)
        for _ in range(3):
            await subscription.reader._own_pending.begin(list(subscription.reader.streams.all.values()))
        assert not subscription.subscriber.surplus
        assert sorted(handler.began) == ["wh_1", "wh_2"]


async def test_an_entry_settled_while_own_pending_entries_were_read_is_not_begun_again(client, redis_url):
    handler = Handler(is_open=True)
    await join(client)
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.reader.add(TYPE)
        (entry_id,) = await store(client, "wh_1")
        await client.execute_command("XREADGROUP", "GROUP", GROUP, "me", "STREAMS", STREAM, ">")
        await client.execute_command("XACK", STREAM, GROUP, entry_id)
        await subscription.reader._own_pending._reread(subscription.reader.streams.all[STREAM], entry_id)
        assert not subscription.subscriber.surplus
    assert handler.began == []


async def test_g5_a_pending_entry_that_is_read_again_is_not_counted_as_delivered_again(client, redis_url):
    handler = Handler()
    await join(client)
    await store(client, "wh_1", "wh_2")
    first, second = await take(client, "me")
    await client.execute_command("XCLAIM", STREAM, GROUP, "me", 0, second.entry_id, "RETRYCOUNT", 4)
    await client.execute_command("HSET", KEYS.deaths(GROUP), second.name, "a@1 b@2")
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.start()
        await until(lambda: handler.began == ["wh_1"] and subscription.quarantine._waiting)
        in_flight = subscription.quarantine._waiting[0].in_flight
    assert (in_flight.delivery.webhook_id, in_flight.times_delivered, in_flight.deaths) == ("wh_2", 4, ("a@1", "b@2"))
    assert (await pending(client))[first.entry_id] == ("me", 1)


async def test_an_idle_reader_looks_for_own_pending_entries_once_a_minute(client, redis_url, monkeypatch):
    monkeypatch.setattr(read, "RECHECK_S", 0.1)
    handler = Handler(is_open=True)
    await join(client)
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.start()
        await until(lambda: subscription.reader.silent_s() > 0.05)
        await client.execute_command("CONFIG", "RESETSTAT")
        for _ in range(3):  # each ends the blocking read
            await subscription.reader.wake()
            await asyncio.sleep(0.15)
        assert "xpending" not in await commandstats(client)
        await store(client, "wh_1")
        await until(lambda: handler.done == ["wh_1"])
        await asyncio.sleep(0.15)
        await subscription.reader.wake()
        await until(lambda: _has_looked(client))


async def _has_looked(client) -> bool:
    return "xpending" in await commandstats(client)


async def test_g9_deferred_deliveries_that_are_no_longer_pending_do_not_end_reading(client, redis_url, monkeypatch):
    monkeypatch.setattr(slots, "MAX_DEFERRED", 1)
    monkeypatch.setattr(read, "RECHECK_S", 0.1)
    handler = Handler(is_open=True)
    await join(client)
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.slots.defer(an_in_flight())
        subscription.start()
        await store(client, "wh_1")
        await until(lambda: handler.done == ["wh_1"])


async def test_pending_entries_of_other_consumers_are_not_begun(client, redis_url):
    handler = Handler(is_open=True)
    await join(client)
    await store(client, "wh_1")
    await client.execute_command("XREADGROUP", "GROUP", GROUP, "another", "STREAMS", STREAM, ">")
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.start()
        await store(client, "wh_2")
        await until(lambda: handler.done == ["wh_2"])
        await until(lambda: _owners(client, {"another"}))
        assert handler.began == ["wh_2"]


async def _owners(client, expected: set[str]) -> bool:
    return {owner for owner, _ in (await pending(client)).values()} == expected


async def test_a_broken_connection_is_replaced_and_nothing_is_lost(client, redis_url):
    handler = Handler(is_open=True)
    await join(client)
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.start()
        for i in range(5):
            await until(lambda: subscription.reader.silent_s() > 0)
            await client.execute_command("CLIENT", "KILL", "ID", subscription.reader._reads._client_id)
            await store(client, f"wh_{i}")
            await until(lambda i=i: f"wh_{i}" in handler.done)
    assert sorted(handler.done) == [f"wh_{i}" for i in range(5)]


async def test_after_a_broken_connection_own_pending_entries_are_read_at_once(client, redis_url):
    handler = Handler(is_open=True)
    await join(client)
    await store(client, "wh_1")
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.start()
        await until(lambda: handler.done == ["wh_1"])
        await until(lambda: subscription.reader.silent_s() > 0.02)
        (entry_id,) = await redeliver(client, "wh_2")
        await subscription.open()
        await client.execute_command("XGROUP", "SETID", OWN_STREAM, GROUP, "$")
        await client.execute_command("XCLAIM", OWN_STREAM, GROUP, "me", 0, entry_id, "FORCE")
        await client.execute_command("CLIENT", "KILL", "ID", subscription.reader._reads._client_id)
        await until(lambda: handler.done == ["wh_1", "wh_2"], timeout_s=5)


async def test_the_reader_continues_when_redis_is_back(own_server):
    handler = Handler(is_open=True)
    client = connect(own_server.url, "tests")
    await join(client)
    async with runtime(own_server.url, client, handler.route()) as subscription:
        subscription.start()
        await until(lambda: subscription.reader.silent_s() > 0)
        await asyncio.to_thread(own_server.stop)
        await asyncio.to_thread(own_server.start)
        await store(client, "wh_1")
        await until(lambda: handler.done == ["wh_1"])
        await subscription.stop()
    await client.aclose()


async def test_a_group_that_vanished_while_the_connection_was_broken_is_recreated(client, redis_url):
    """After an error the reader first reads its own pending entries, and detects the loss there."""
    handler = Handler(is_open=True)
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.start()
        await until(lambda: subscription.losses == [[TYPE]])
        await store(client, "wh_1")
        await until(lambda: handler.done == ["wh_1"])


async def test_a_vanished_group_is_recreated_and_reading_continues(client, redis_url):
    handler = Handler(is_open=True)
    await join(client)
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.start()
        await until(lambda: subscription.reader.silent_s() > 0)
        await client.execute_command("FLUSHALL")
        await until(lambda: subscription.losses)
        await store(client, "wh_1")
        await until(lambda: handler.done == ["wh_1"])
        assert subscription.losses[0] == [TYPE]

"""Consumers that have deliveries and are not registered, as after a thaw."""

from hookbus.worker.duties.adopt import adopt
from tests.wait import until
from tests.worker.builders import KEYS, STREAM, Handler, consumers, join, redeliver, store, take
from tests.worker.claimant import claimant


async def test_an_unregistered_consumer_with_deliveries_is_adopted(client, redis_url):
    handler = Handler(is_open=True)
    await join(client)
    await store(client, "wh_1")
    await take(client, "thawed")
    async with claimant(redis_url, client, handler) as worker:
        await worker.round()
        assert handler.began == []
        await adopt(worker.duty._here, worker.duty._reader)
        assert await consumers(client) == {b"me", b"thawed"}
        await worker.round()
        await until(lambda: handler.done == ["wh_1"])


async def test_a_stream_that_redis_refuses_hides_nobody_of_the_others(client, redis_url):
    await join(client)
    await redeliver(client, "wh_1")
    await take(client, "thawed", own=True)
    await client.execute_command("DEL", STREAM)
    await client.execute_command("SET", STREAM, "a slip")
    async with claimant(redis_url, client, Handler()) as worker:
        await adopt(worker.duty._here, worker.duty._reader)
        assert await consumers(client) == {b"me", b"thawed"}


async def test_consumers_that_are_registered_are_not_announced(client, redis_url):
    await join(client)
    await store(client, "wh_1")
    async with claimant(redis_url, client, Handler()) as worker:
        await take(client, "me")
        await client.execute_command("DEL", KEYS.expiries)
        await adopt(worker.duty._here, worker.duty._reader)
        assert await client.execute_command("EXISTS", KEYS.expiries) == 0

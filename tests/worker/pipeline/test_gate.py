"""A reader while a suspect runs alone in its process."""

from tests.wait import until
from tests.worker.builders import TYPE, Handler, join, pending, runtime, store


async def test_nothing_is_read_while_a_suspect_runs_so_that_other_processes_get_it(client, redis_url):
    await join(client)
    handler, other_handler = Handler(is_open=True), Handler(is_open=True)
    async with (
        runtime(redis_url, client, handler.route()) as subscription,
        runtime(redis_url, client, other_handler.route(), "other") as other,
    ):
        await subscription.gate.close(0)
        subscription.start()
        await store(client, "wh_1", "wh_2")
        other.start()
        await until(lambda: len(other_handler.done) == 2)
        assert handler.began == []
        subscription.gate.open()
        await other.stop()
        await store(client, "wh_3")
        await until(lambda: handler.done == ["wh_3"])


async def test_g7_entries_that_a_read_still_returns_wait_and_respect_a_pause(client, redis_url):
    await join(client)
    handler = Handler(is_open=True)
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.start()
        await until(subscription.reader.silent_s)
        await subscription.gate.close(0)
        await store(client, "wh_1")
        await until(lambda: _is_read(client))
        await subscription.reader.pause(frozenset({TYPE}))
        subscription.gate.open()
        await store(client, "wh_2", event_type="batch.completed")
        subscription.reader.add("batch.completed")
        await join(client, "batch.completed")
        await until(lambda: handler.done == ["wh_2"])
        await subscription.reader.pause(frozenset())
        await until(lambda: handler.done == ["wh_2", "wh_1"])


async def _is_read(client) -> bool:
    return bool(await pending(client))

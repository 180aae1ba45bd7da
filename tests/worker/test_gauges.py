import threading

import prometheus_client

from hookbus.worker.gauges import expose
from tests.wait import until
from tests.worker.builders import GROUP, TYPE, Handler, a_route, join, store
from tests.worker.subscriptions import runtime


def figure(name: str) -> float | None:
    labels = {} if name == "last_read_age_seconds" else {"group": GROUP, "pattern": TYPE}
    return prometheus_client.REGISTRY.get_sample_value(f"hookbus_worker_{name}", labels)


async def test_running_deliveries_and_reads_are_seen_while_they_last(client, redis_url):
    await join(client)
    await store(client, "wh_1", "wh_2")
    handler = Handler()
    async with runtime(redis_url, client, handler.route()) as subscription:
        expose([subscription.subscriber], [subscription.reader])
        assert figure("last_read_age_seconds") == 0
        subscription.start()
        await until(lambda: figure("running_deliveries") == 2)
        await until(lambda: figure("last_read_age_seconds") > 0)
        handler.go()
        await until(lambda: figure("running_deliveries") == 0)


async def test_a_thread_past_its_timeout_is_overdue_until_it_ends(client, redis_url):
    await join(client)
    await store(client, "wh_1")
    may_end = threading.Event()

    def hang(event: dict) -> None:
        may_end.wait(20)

    async with runtime(redis_url, client, a_route(hang, timeout=0.05)) as subscription:
        expose([subscription.subscriber], [subscription.reader])
        subscription.start()
        try:
            await until(lambda: figure("overdue_attempts") == 1)
            assert figure("running_deliveries") == 0
        finally:
            may_end.set()
        await until(lambda: figure("overdue_attempts") == 0)

"""The upgrade from layout 1 with the real programs."""

import json

from hookbus.shared import keys
from hookbus.shared.keys import HOME, Keys
from tests import layout_1
from tests.programs import Ingest, Program, Worker, event_body, post
from tests.wait import until
from tests.worker.migration.test_migrate import DEAD

SHARDS = tuple(map(Keys, range(2)))
SETTINGS = {"HOOKBUS_SHARDS": "2"}
LEFT = {
    "billing": [
        "wh_reject_19",  # redriven
        "wh_reject_20",
        "wh_killer_39",  # of dead consumers
        "wh_slow_40",
        "wh_slow_41",
        *(f"wh_retry_{i}" for i in range(11, 15)),
        *(f"wh_later_{i}" for i in range(15, 18)),
        *(f"wh_batch_{i}" for i in range(30, 39)),  # parked, held back by the breaker, handed over
        *(f"wh_backlog_{i}" for i in range(42, 47)),
    ],
    "audit": [
        "wh_ok_1",  # replayed
        "wh_ok_2",
        "wh_unhandled_9",
        "wh_unhandled_10",
        *(f"wh_backlog_{i}" for i in range(42, 49)),
        "wh_untyped",
    ],
}
"""What each group had still to handle; for `billing` there are also three deliveries of a paused type."""


def worker(redis_url: str) -> Worker:
    apps = ("tests.worker.migration.shop:billing", "tests.worker.migration.shop:audit")
    return Worker(redis_url, *apps, **SETTINGS)


async def make_due(client) -> None:
    """Time passes: what was parked is due, and the open breaker may be probed."""
    for shard in SHARDS:
        for member in await client.execute_command("ZRANGE", shard.delayed("billing"), 0, -1):
            await client.execute_command("ZADD", shard.delayed("billing"), "XX", 1, member)
    key = "hookbus:{0}:breakers:billing"
    opened = json.loads(await client.execute_command("HGET", key, "batch.*"))
    await client.execute_command("HSET", key, "batch.*", json.dumps(opened | {"try_ms": 1}))


async def test_nothing_is_lost_or_forgotten_by_the_upgrade(client, redis_url):
    await layout_1.load(client)
    await make_due(client)

    async def is_done() -> bool:
        lengths = [await client.execute_command("LLEN", f"test:handled:{group}") for group in LEFT]
        return lengths == [len(names) + 1 for names in LEFT.values()]

    with Ingest(redis_url, **SETTINGS) as ingest:
        await ingest.until_logged("redis_unhealthy")
        assert (await post(ingest.url, "wh_new", event_body()))[0] == 503
        with worker(redis_url) as first:
            await first.until_logged("migrated")
            await ingest.until_healthy()
            assert (await post(ingest.url, "wh_new", event_body()))[0] == 200
            assert (await post(ingest.url, "wh_retry_11", event_body()))[1] == "duplicate"
            await until(is_done)
            assert await first.end() == 0
    for group, names in LEFT.items():
        handled = await client.execute_command("LRANGE", f"test:handled:{group}", 0, -1)
        assert sorted(name.decode() for name in handled) == sorted([*names, "wh_new"])


async def test_beside_a_worker_of_the_older_layout_the_new_one_ends_with_1_and_names_it(client, redis_url):
    await layout_1.load(client)
    await client.execute_command("SET", HOME.alive(DEAD), 1)
    with worker(redis_url) as refused:
        assert await refused.until_ended() == 1
    assert refused.raw[-1].endswith(f"still running: {DEAD}")
    assert await client.execute_command("HGET", keys.META, "layout") == b"1"
    with Program("hookbus-worker", "status", redis_url=redis_url) as tool:
        assert await tool.until_ended() == 78
    assert "data layout 1 there, this release supports 2" in tool.raw[-1]
    await client.execute_command("FLUSHALL")

"""A release that drops a subscription: the type is reported, its events expire, and `forget` removes them at once."""

import asyncio
import subprocess

from hookbus.shared.keys import Keys
from tests.programs import BIN, Worker
from tests.wait import until
from tests.worker.builders import TYPE, commandstats, store
from tests.worker.commands import environment, objects

KEYS = Keys(0)
GROUP = "billing"
APPS = "tests.end_to_end.bad_handlers"
DROPPED = "batch.completed"


async def unhandled(client) -> list[tuple[int, int]]:
    """Pending deliveries of the dropped type, and events in its stream, per consumer group; empty without a group."""
    groups = await client.execute_command("XINFO", "GROUPS", KEYS.stream(DROPPED))
    pending = [dict(zip(flat[::2], flat[1::2], strict=True))[b"pending"] for flat in groups]
    return [(count, await client.execute_command("XLEN", KEYS.stream(DROPPED))) for count in pending]


async def test_deliveries_of_an_unsubscribed_type_are_reported_and_can_be_forgotten(redis_url, handled, client):
    await store(client, "wh_1", "wh_2", event_type=DROPPED)
    with Worker(redis_url, f"{APPS}:before") as worker:
        await until(lambda: len(handled(GROUP, "started")) == 2)
        worker.process.kill()
        await worker.until_ended()
    with Worker(redis_url, f"{APPS}:after", HOOKBUS_WORKER_RETENTION_S="1") as worker:  # the check runs as often
        await worker.until_logged("type_unsubscribed", group=GROUP, type=DROPPED)
        await store(client, "wh_3")
        await until(lambda: handled(GROUP) == ["wh_3"])
        assert await unhandled(client) == [(2, 2)]
        checked = await asyncio.to_thread(_check, redis_url)
        assert f"hookbus-worker forget {GROUP} --type {DROPPED}" in checked
        await asyncio.to_thread(objects, redis_url, "forget", GROUP, "--type", DROPPED, "--yes", "--json")
        assert await unhandled(client) == []
        assert await worker.end() == 0


async def test_an_unsubscribed_type_keeps_its_events_no_longer_than_orphans(redis_url, handled, client):
    limits = {"HOOKBUS_WORKER_RETENTION_S": "0.5", "HOOKBUS_WORKER_ORPHAN_RETENTION_S": "1"}
    with Worker(redis_url, f"{APPS}:before", **limits) as worker:
        await worker.until_working()
        assert await worker.end() == 0
    await store(client, "wh_1", event_type=DROPPED)
    await store(client, "wh_2")
    with Worker(redis_url, f"{APPS}:after", **limits) as worker:
        await worker.until_logged("orphans_trimmed", type=DROPPED, events=1)
        assert worker.logged("type_unsubscribed", type=DROPPED)
        await until(lambda: handled(GROUP) == ["wh_2"])
        assert await worker.end() == 0


async def test_g9_a_group_that_was_destroyed_continues_after_its_last_handled_event(redis_url, handled, client):
    with Worker(redis_url, f"{APPS}:after") as worker:
        await worker.until_working()
        await store(client, "wh_1", "wh_2")
        await until(lambda: len(handled(GROUP)) == 2)
        assert await worker.end() == 0
    await client.execute_command("CONFIG", "RESETSTAT")
    with Worker(redis_url, f"{APPS}:after") as worker:
        await worker.until_working()
        await until(lambda: _has_looked(client))
        ran = await _scripts(client)
        await until(lambda: _has_run(client, ran + 2), what="signs of life sent after the reply was there to read")
        await client.execute_command("XGROUP", "DESTROY", KEYS.stream(TYPE), GROUP)
        await store(client, "wh_3")
        line = await worker.until_logged("data_loss")
        assert line["goes_on_after"][TYPE] != "0"
        await until(lambda: "wh_3" in handled(GROUP))
        assert await worker.end() == 0
    assert handled(GROUP) == ["wh_1", "wh_2", "wh_3"]


async def _has_looked(client) -> bool:
    """Whether the worker has read the group's position: while it subscribes to every type, nothing else asks this."""
    return "xinfo|groups" in await commandstats(client)


async def _scripts(client) -> int:
    return (await commandstats(client)).get("evalsha", 0)


async def _has_run(client, scripts: int) -> bool:
    return await _scripts(client) >= scripts


def _check(redis_url: str) -> str:
    command = [BIN / "hookbus-worker", "check"]
    return subprocess.run(command, env=environment(redis_url), capture_output=True, text=True, check=False).stdout

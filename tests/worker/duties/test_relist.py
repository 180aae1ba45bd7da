"""Redelivery streams that the list of their shard lacks are listed again, and read."""

import asyncio

import pytest
from structlog.testing import capture_logs

from hookbus.shared import scripts
from hookbus.shared.connection import connect
from hookbus.shared.keys import listed_as
from hookbus.worker.duties import relist
from hookbus.worker.duties.relist import Relister
from hookbus.worker.inspect import status
from hookbus.worker.inventory import redeliveries
from tests.round_trips import RoundTrips
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, OWN_STREAM, TYPE, Handler, commandstats, join, redeliver, store, take
from tests.worker.chores import CHORES
from tests.worker.running import app_of, running


async def listed(client) -> set[str]:
    return set(map(bytes.decode, await client.execute_command("SMEMBERS", KEYS.redeliveries)))


async def rename_the_list(client) -> None:
    """As the runbook says; what became of it is nobody's business."""
    await client.execute_command("RENAME", KEYS.redeliveries, "foreign:redeliveries")
    await client.execute_command("DEL", "foreign:redeliveries")


async def backlog(client) -> int:
    found = (await status.fetch(client, 1)).groups[GROUP].types
    return found[TYPE].backlog + found[TYPE].in_flight if TYPE in found else 0


def relister(client) -> Relister:
    return Relister(client, KEYS, CHORES, asyncio.Event())


async def test_running_workers_list_what_they_read_and_is_not_listed_any_more(client, redis_url, monkeypatch):
    monkeypatch.setattr(relist, "INTERVAL_S", 0.1)
    handler = Handler()
    async with running(redis_url, app_of(handler, concurrency=1)):
        await redeliver(client, "wh_1", "wh_2")
        await until(lambda: handler.began == ["wh_1"])
        await rename_the_list(client)
        await until(lambda: listed(client))
        assert await listed(client) == {listed_as(TYPE, GROUP)}
        assert await backlog(client) == 2
        handler.go()
        await until(lambda: handler.done == ["wh_1", "wh_2"])


async def test_workers_that_start_later_find_what_is_not_listed(client, redis_url):
    handler = Handler()
    await join(client)
    await redeliver(client, "wh_1", "wh_2")
    await rename_the_list(client)
    with capture_logs() as logs:
        async with running(redis_url, app_of(handler)):
            await until(lambda: len(handler.began) == 2)
            assert await backlog(client) == 2
            handler.go()
            await until(lambda: len(handler.done) == 2)
    (log,) = (log for log in logs if log["event"] == "redeliveries_relisted")
    assert (log["group"], log["types"]) == (GROUP, [TYPE])


async def test_what_a_dead_consumer_holds_of_an_unlisted_stream_is_taken_over(client, redis_url):
    handler = Handler(is_open=True)
    await join(client)
    await redeliver(client, "wh_1")
    await take(client, "dead", own=True)
    await rename_the_list(client)
    async with running(redis_url, app_of(handler)) as worker:
        [runner] = worker.worker._runners.values()
        await until(lambda: OWN_STREAM in runner.reader.streams.all)
        runner._takeover._search_at_s = 0.0  # as a minute later
        runner._takeover._wake.set()
        await until(lambda: handler.done == ["wh_1"])


async def test_types_that_no_worker_reads_are_listed_too(client):
    await join(client)
    await store(client, "wh_1", event_type="made.up")
    stream = KEYS.redelivery("made.up", GROUP)
    await client.execute_command("XADD", stream, "*", "id", "wh_1")
    await relister(client).relist()
    assert await listed(client) == {listed_as("made.up", GROUP)}


async def test_what_is_listed_costs_one_exists_for_all_other_names(client, server):
    await join(client)
    await redeliver(client, "wh_1")
    async with RoundTrips(server.socket) as proxy:
        counted = connect(proxy.url, "tests")
        await relister(counted).relist()  # connects
        before = (await commandstats(client))["exists"], proxy.count
        with capture_logs() as logs:
            await relister(counted).relist()
        cost = (await commandstats(client))["exists"] - before[0], proxy.count - before[1]
        await counted.aclose()
    assert cost == (1, 3)
    assert logs == []
    assert await listed(client) == {listed_as(TYPE, GROUP)}


async def test_a_stream_that_goes_before_it_is_listed_is_not(client):
    await redeliver(client, "wh_1")
    call = redeliveries.relist(KEYS, GROUP, TYPE)
    await client.execute_command("DEL", OWN_STREAM, KEYS.redeliveries)
    assert await scripts.run(client, call) == b"gone"
    assert await listed(client) == set()


@pytest.mark.parametrize("has_group", [True, False])
async def test_a_list_of_another_type_makes_no_stream_unusable(client, has_group):
    membership = await join(client)
    await redeliver(client, "wh_1")
    if not has_group:
        await client.execute_command("XGROUP", "DESTROY", OWN_STREAM, GROUP)
    await client.execute_command("DEL", KEYS.redeliveries)
    await client.execute_command("SET", KEYS.redeliveries, "no set")
    assert await membership.relist([TYPE]) == [TYPE]
    assert len(membership._here.unusable_keys) == 0
    await client.execute_command("DEL", OWN_STREAM)
    assert await membership.relist([TYPE]) == []
    assert len(membership._here.unusable_keys) == 0

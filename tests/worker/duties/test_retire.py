"""The removal of consumers that hold nothing, and the races that it loses."""

import asyncio

from hookbus.shared import scripts
from hookbus.shared.keys import listed_as
from hookbus.worker.duties.retire import all_streams, retire
from tests.worker.builders import (
    GROUP,
    KEYS,
    OWN_STREAM,
    STREAM,
    Handler,
    consumers,
    join,
    pending,
    register,
    store,
    take,
)
from tests.worker.claimant import claimant
from tests.worker.takeovers import die_with

STREAMS = (STREAM, OWN_STREAM)


async def test_retire_removes_only_dead_consumers_with_nothing_pending(client):
    await die_with(client, "wh_1")
    call = retire(KEYS, GROUP, "dead", STREAMS)
    assert await scripts.run(client, call) == 0
    assert len(await pending(client, consumer="dead")) == 1
    await client.execute_command("XACK", STREAM, GROUP, *await pending(client))
    await client.execute_command("SET", KEYS.alive("dead"), 1)
    assert await scripts.run(client, call) == 0
    assert await consumers(client) == {b"dead"}
    await client.execute_command("DEL", KEYS.alive("dead"))
    results = await asyncio.gather(scripts.run(client, call), scripts.run(client, call))
    assert results == [1, 1]  # a second removal changes nothing
    assert await consumers(client) == set()


async def test_retire_forgets_no_delivery_of_a_consumer_that_read_again_first(client):
    await join(client)
    await register(client, "back", alive=False)
    await store(client, "wh_1")
    call = retire(KEYS, GROUP, "back", (*STREAMS, KEYS.stream("no.such.stream")))
    _, removed = await asyncio.gather(take(client, "back"), scripts.run(client, call))
    assert removed == 0
    assert len(await pending(client, consumer="back")) == 1


async def test_streams_that_only_other_workers_of_the_group_read_count_too(client, redis_url):
    async with claimant(redis_url, client, Handler()) as worker:
        await client.execute_command("SADD", KEYS.types, "made.up")
        await client.execute_command("SADD", KEYS.redeliveries, listed_as("made.up", GROUP), listed_as("made.up", "x"))
        found = set(await all_streams(worker.duty._here, worker.duty._reader))
        assert {STREAM, KEYS.stream("made.up"), KEYS.redelivery("made.up", GROUP)} <= found
        assert KEYS.redelivery("made.up", "x") not in found
        await client.execute_command("DEL", KEYS.redeliveries)
        await client.execute_command("SET", KEYS.redeliveries, "a slip")
        found = set(await all_streams(worker.duty._here, worker.duty._reader))
        assert found >= {STREAM, KEYS.stream("made.up")}

"""Takeover, release and retire as scripts: the deaths that they count, and the races that they lose."""

import asyncio

import pytest
from redis.exceptions import ResponseError

from hookbus.shared import scripts
from hookbus.shared.keys import HANDOVER
from hookbus.worker.duties.takeover import retire
from tests.worker.builders import (
    GROUP,
    KEYS,
    OWN_STREAM,
    STREAM,
    consumers,
    die_with,
    join,
    mark,
    pending,
    register,
    release,
    store,
    take,
    take_over,
)

STREAMS = (STREAM, OWN_STREAM)


async def test_g5_only_the_marked_delivery_counts_the_death_and_only_once(client):
    await die_with(client, "wh_1", "wh_2", "wh_3")
    ids = list(await pending(client))
    member = await mark(client, "dead", ids[1])
    claimed = await take_over(client, "dead", "me")
    assert [(entry_id, deaths) for entry_id, _, deaths, _ in claimed] == [
        (ids[0], b""), (ids[1], b"dead@1234"), (ids[2], b""),
    ]  # fmt: skip
    assert await client.execute_command("HGETALL", KEYS.deaths(GROUP)) == [member.encode(), b"dead@1234"]
    assert await client.execute_command("EXISTS", KEYS.started(GROUP)) == 0


async def test_g5_an_unmarked_delivery_counts_no_death_however_often_its_worker_dies(client):
    await die_with(client, "wh_1", consumer="c0")
    for i in range(20):
        ((_, before, deaths, _),) = await take_over(client, f"c{i}", f"c{i + 1}")
        assert (before, deaths) == (i + 1, b"")


async def test_g4_without_memory_deliveries_are_taken_over_and_deaths_counted(client):
    await die_with(client, "wh_1")
    member = await mark(client, "dead", next(iter(await pending(client))))
    await client.execute_command("CONFIG", "SET", "maxmemory", "1")
    ((_, _, deaths, _),) = await take_over(client, "dead", "me")
    assert deaths == b"dead@1234"
    assert await client.execute_command("HKEYS", KEYS.deaths(GROUP)) == [member.encode()]


async def test_takeover_claims_nothing_from_a_consumer_that_came_back(client):
    await die_with(client, "wh_1")
    await client.execute_command("SET", KEYS.alive("dead"), 1)
    assert await take_over(client, "dead", "me") == []
    assert {owner for owner, _ in (await pending(client)).values()} == {"dead"}


async def test_two_claimants_share_no_entry_and_count_a_death_once(client):
    await die_with(client, *(f"wh_{i}" for i in range(50)))
    await mark(client, "dead", next(iter(await pending(client))))
    shares = await asyncio.gather(*(take_over(client, "dead", f"other{i}", 7) for i in range(10)))
    ids = [entry[0] for share in shares for entry in share]
    assert len(ids) == len(set(ids)) == 50
    assert sum(bool(entry[2]) for share in shares for entry in share) == 1


async def test_takeover_passes_over_an_entry_that_was_deleted(client):
    await die_with(client, "wh_1", "wh_2")
    ids = list(await pending(client))
    await client.execute_command("XDEL", STREAM, ids[0])
    assert [entry[0] for entry in await take_over(client, "dead", "me")] == [ids[1]]
    assert list(await pending(client)) == [ids[1]]


async def test_release_leaves_deliveries_that_another_consumer_took_first(client):
    await die_with(client, "wh_1", "wh_2")
    await take_over(client, "dead", "other", 1)
    assert await release(client, "dead") == 1
    assert sorted(owner for owner, _ in (await pending(client)).values()) == [HANDOVER, "other"]
    assert await release(client, "dead") == 0


async def test_a_refused_release_leaves_all_deliveries_to_a_takeover(client):
    await die_with(client, "wh_1")
    await client.execute_command("CONFIG", "SET", "min-replicas-to-write", 1)
    with pytest.raises(ResponseError):
        await release(client, "dead")
    await client.execute_command("CONFIG", "SET", "min-replicas-to-write", 0)
    assert await pending(client) == dict.fromkeys(await pending(client), ("dead", 1))


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
    await client.execute_command("HSET", KEYS.started(GROUP), "dead", "mark")
    results = await asyncio.gather(scripts.run(client, call), scripts.run(client, call))
    assert results == [1, 1]  # a second removal changes nothing
    assert await consumers(client) == set()
    assert await client.execute_command("EXISTS", KEYS.started(GROUP)) == 0


async def test_retire_forgets_no_delivery_of_a_consumer_that_read_again_first(client):
    await join(client)
    await register(client, "back", alive=False)
    await store(client, "wh_1")
    call = retire(KEYS, GROUP, "back", (*STREAMS, KEYS.stream("no.such.stream")))
    _, removed = await asyncio.gather(take(client, "back"), scripts.run(client, call))
    assert removed == 0
    assert len(await pending(client, consumer="back")) == 1

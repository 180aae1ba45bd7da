"""Takeover and release as scripts: the deaths that they count, and the races that they lose."""

import asyncio

import pytest
from redis.exceptions import ResponseError

from hookbus.shared import scripts
from hookbus.shared.keys import HANDOVER
from hookbus.worker.api.delivery import member_prefix
from tests.worker.builders import (
    GROUP,
    KEYS,
    OWN_STREAM,
    STREAM,
    TYPE,
    pending,
    release,
)
from tests.worker.takeovers import die_with, take_over

STREAMS = (STREAM, OWN_STREAM)


async def test_g5_the_death_of_a_quarantine_process_is_noted_with_the_delivery_that_it_ran(client):
    await die_with(client, "wh_1")
    (entry_id,) = await pending(client)
    await quarantine(client, "dead", "first", entry_id)
    await take_over(client, "first", "me", death="first@1")
    await quarantine(client, "me", "second", entry_id)
    ((_, _, deaths, _),) = await take_over(client, "second", "me", death="second@2")
    assert deaths == b"first@1 second@2"
    member = member_prefix(TYPE, GROUP, False) + entry_id.decode()
    assert await client.execute_command("HGETALL", KEYS.deaths(GROUP)) == [member.encode(), deaths]


async def test_g5_a_death_in_a_worker_is_noted_with_no_delivery_however_often_it_happens(client):
    await die_with(client, "wh_1", consumer="c0")
    for i in range(20):
        ((_, before, deaths, _),) = await take_over(client, f"c{i}", f"c{i + 1}")
        assert (before, deaths) == (i + 1, b"")


async def test_g4_without_memory_deliveries_are_taken_over_quarantined_and_deaths_noted(client):
    await die_with(client, "wh_1")
    (entry_id,) = await pending(client)
    await client.execute_command("CONFIG", "SET", "maxmemory", "1")
    assert await quarantine(client, "dead", "alone", entry_id)
    ((_, _, deaths, _),) = await take_over(client, "alone", "me", death="alone@1")
    assert deaths == b"alone@1"
    assert await client.execute_command("HLEN", KEYS.deaths(GROUP)) == 1


async def test_takeover_claims_at_most_so_many_suspects_and_passes_over_the_others(client):
    await die_with(client, *(f"wh_{i}" for i in range(5)))
    ids = list(await pending(client))
    for entry_id in ids[:4]:
        await client.execute_command("XCLAIM", STREAM, GROUP, "dead", 0, entry_id, "RETRYCOUNT", 2)
    assert [entry[0] for entry in await take_over(client, "dead", "me", 9, suspects=1, looks=4)] == ids[:1]
    assert [entry[0] for entry in await take_over(client, "dead", "me", 9, suspects=0)] == ids[4:]
    assert [entry[0] for entry in await take_over(client, "dead", "me", 0, suspects=2)] == ids[1:3]


async def test_quarantine_moves_a_delivery_without_counting_it_as_delivered_again(client):
    await die_with(client, "wh_1")
    (entry_id,) = await pending(client)
    times, fields = await quarantine(client, "dead", "alone", entry_id)
    assert (times, fields[:2]) == (1, [b"id", b"wh_1"])
    assert await pending(client) == {entry_id: ("alone", 1)}
    assert (await quarantine(client, "dead", "alone", entry_id))[0] == 1  # the reply was lost, and it asks again


async def test_quarantine_loses_the_race_against_a_takeover_an_outcome_and_the_end_of_the_event(client):
    await die_with(client, "wh_1", "wh_2", "wh_3")
    first, second, third = await pending(client)
    await take_over(client, "dead", "other", 1)
    await client.execute_command("XACK", STREAM, GROUP, second)
    await client.execute_command("XDEL", STREAM, third)
    assert [await quarantine(client, "dead", "alone", each) for each in (first, second, third)] == [None] * 3
    assert await pending(client) == {first: ("other", 2)}


async def quarantine(client, owner: str, consumer: str, entry_id: bytes):
    return await scripts.run(client, scripts.Call(scripts.QUARANTINE, (STREAM,), (GROUP, owner, consumer, entry_id)))


async def test_takeover_claims_nothing_from_a_consumer_that_came_back(client):
    await die_with(client, "wh_1")
    await client.execute_command("SET", KEYS.alive("dead"), 1)
    assert await take_over(client, "dead", "me") == []
    assert {owner for owner, _ in (await pending(client)).values()} == {"dead"}


async def test_two_claimants_share_no_entry_and_count_a_death_once(client):
    await die_with(client, *(f"wh_{i}" for i in range(50)))
    shares = await asyncio.gather(*(take_over(client, "dead", f"other{i}", 7, death="dead@1") for i in range(10)))
    ids = [entry[0] for share in shares for entry in share]
    assert len(ids) == len(set(ids)) == 50
    assert {entry[2] for share in shares for entry in share} == {b"dead@1"}


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


async def test_g10_a_handover_does_not_depend_on_its_hint(client):
    await die_with(client, "wh_1")
    await client.delete(KEYS.expiries)
    await client.set(KEYS.expiries, "a slip")
    assert await release(client, "dead") == 1
    assert {owner for owner, _ in (await pending(client)).values()} == {HANDOVER}


async def test_a_refused_release_leaves_all_deliveries_to_a_takeover(client):
    await die_with(client, "wh_1")
    await client.execute_command("CONFIG", "SET", "min-replicas-to-write", 1)
    with pytest.raises(ResponseError):
        await release(client, "dead")
    await client.execute_command("CONFIG", "SET", "min-replicas-to-write", 0)
    assert await pending(client) == dict.fromkeys(await pending(client), ("dead", 1))

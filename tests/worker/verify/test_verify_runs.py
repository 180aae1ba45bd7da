"""The data of runs in Redis, and its removal."""

import asyncio

import pytest

from hookbus.shared.keys import Keys
from hookbus.shared.run_names import new_name
from hookbus.worker.groups.forget import GroupDeletion
from hookbus.worker.inventory import registry
from hookbus.worker.verify import runs
from hookbus.worker.verify.runs import YOUNG_S, remove, stored, sweep
from tests.worker.builders import a_membership
from tests.worker.verifying import remaining_keys

SHARDS = (Keys(0), Keys(1))


async def a_run(client, *, age_s: float = 0) -> str:
    """The group and the type of a run, with an event in each shard and a consumer in none."""
    name = new_name(await registry.now_ms(client) - round(age_s * 1000))
    for keys in SHARDS:
        await a_membership(client, keys, name, "earliest", [name]).join([name])
        await client.execute_command("SADD", keys.types, name)
        for stream in (keys.stream(name), keys.redelivery(name, name)):
            await client.execute_command("XADD", stream, "*", "id", f"wh_{name}_{keys.shard}", "body", "{}")
    return name


async def consumer(client, name: str, *, alive: bool) -> None:
    for keys in SHARDS:
        await client.execute_command("HSET", keys.consumers(name), "c", "{}")
        if alive:
            await client.execute_command("SET", keys.alive("c"), 1)


@pytest.mark.parametrize(
    ("age_s", "has_worker", "alive", "is_swept"),
    [
        (0, False, False, False),  # about to begin
        (YOUNG_S + 5, False, False, True),
        (0, True, True, False),
        (YOUNG_S + 5, True, True, False),
        (0, True, False, True),  # its liveness key expired
    ],
)
async def test_a_run_is_over_when_its_worker_died_or_never_registered(client, age_s, has_worker, alive, is_swept):
    name = await a_run(client, age_s=age_s)
    if has_worker:
        await consumer(client, name, alive=alive)
    before = await remaining_keys(client)
    assert await sweep(client, SHARDS) == ([name] if is_swept else [])
    assert await remaining_keys(client) == ([] if is_swept else before)


async def test_a_type_without_a_group_is_removed_too(client):
    """An event that arrived after the run had removed its data."""
    name = new_name(await registry.now_ms(client) - 1000 * (YOUNG_S + 5))
    await client.execute_command("SADD", SHARDS[1].types, name)
    await client.execute_command("XADD", SHARDS[1].stream(name), "*", "id", "x")
    assert await sweep(client, SHARDS) == [name]
    assert await remaining_keys(client) == []


async def test_other_groups_and_types_stay_even_with_similar_names(client):
    await a_membership(client, SHARDS[0], "hookbus.verify.mine", "earliest", ["a.b"]).join(["a.b"])
    await client.execute_command("SADD", SHARDS[0].types, "hookbus.verify.mine", "hookbus.verify.1-abc", "a.b")
    before = await remaining_keys(client)
    assert await sweep(client, SHARDS) == []
    await remove(client, SHARDS, await a_run(client))
    assert await remaining_keys(client) == before
    assert await client.execute_command("SCARD", SHARDS[0].types) == 3


async def test_a_run_whose_worker_comes_back_during_the_removal_is_kept(client, monkeypatch):
    name = await a_run(client)
    await consumer(client, name, alive=False)
    run = GroupDeletion.run

    async def late(self):
        await consumer(client, name, alive=True)
        await run(self)

    monkeypatch.setattr(GroupDeletion, "run", late)
    before = await remaining_keys(client)
    assert await sweep(client, SHARDS) == []
    assert set(before) < set(await remaining_keys(client))


async def test_two_concurrent_sweeps_remove_each_run(client):
    names = sorted([await a_run(client, age_s=YOUNG_S + i) for i in range(5)])
    first, second = await asyncio.gather(sweep(client, SHARDS), sweep(client, SHARDS))
    assert sorted({*first, *second}) == names
    assert await remaining_keys(client) == []


async def test_stored_webhook_ids_are_read_page_by_page(client, monkeypatch):
    monkeypatch.setattr(runs, "MAX_COMMANDS", 2)
    name = await a_run(client)
    for i in range(5):
        await client.execute_command("XADD", SHARDS[1].stream(name), "*", "id", f"wh_{i}", "body", "{}")
    await client.execute_command("XADD", SHARDS[1].stream(name), "*", "odd", "x")
    found = await stored(client, SHARDS, name)
    assert found - {""} == {f"wh_{name}_0", f"wh_{name}_1", *(f"wh_{i}" for i in range(5))}

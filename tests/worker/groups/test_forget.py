import asyncio
import contextlib
import inspect
import signal
import subprocess

import pytest

from hookbus.shared import scripts
from hookbus.shared.command import FailedError
from hookbus.shared.entry import Entry
from hookbus.shared.keys import Keys
from hookbus.worker.api.delivery import member_prefix
from hookbus.worker.dlq.filter import Filter
from hookbus.worker.dlq.moves import Moves
from hookbus.worker.dlq.query import DeadLetters
from hookbus.worker.groups import forget
from hookbus.worker.groups.forget import GroupDeletion
from hookbus.worker.groups.history import StoredEvent
from hookbus.worker.groups.replay import Replay
from hookbus.worker.inventory import expiries
from hookbus.worker.inventory.redeliveries import relist
from hookbus.worker.inventory.suspensions import KEY, Opened, encode, field
from tests.programs import BIN, ROOT
from tests.wait import until
from tests.worker.builders import TYPE, a_membership, store, take
from tests.worker.commands import environment, objects, succeeded, worker
from tests.worker.dead_letters import create_groups, letter, store_letters
from tests.worker.duties.test_trim_bounds import trimmer

SHARDS = (Keys(0), Keys(1))
KEYS = Keys(0)


async def everything(client, group: str = "billing", *, deaths: int = 3) -> None:
    """A group with every kind of key that a group can have, in both shards, and no live consumer."""
    await create_groups(client, group, shards=2)
    for keys in SHARDS:
        membership = a_membership(client, keys, group, "earliest", [TYPE, "own.type", "batch.*"])
        await membership.join([TYPE, "own.type"])
        for method in ("delayed", "delayed_data", "deaths", "consumers"):
            await client.execute_command("DEL", getattr(keys, method)(group))
        member = member_prefix(TYPE, group, False)
        await client.execute_command("ZADD", keys.delayed(group), 1, f"{member}1-0", 2, f"{member}2-0")
        await client.execute_command("HSET", keys.delayed_data(group), f"{member}1-0", "x", f"{member}2-0", "x")
        await client.execute_command("ZADD", keys.snoozed(group), 1, f"{member}1-0")
        await client.execute_command("HSET", keys.paused, field(group, "*"), 1)
        await client.execute_command("HSET", keys.deaths(group), "gone", "x")
        await client.execute_command("ZADD", keys.recovered(group), 1, "openai|wh_1")
        await client.execute_command("HSET", keys.recovered_data(group), "openai|wh_1", "x")
        for name in ("gone", "handover"):
            await client.execute_command("HSET", keys.consumers(group), name, "{}")
        await client.execute_command("ZADD", keys.due, 1, group)
        await client.execute_command("ZADD", keys.expiries, 1, expiries.handover(group))
        for key in (keys.worked, keys.losses, keys.dropped, keys.discarded):
            await client.execute_command("HSET", key, group, 1)
        for i in range(2):
            await client.execute_command("XADD", keys.redelivery(TYPE, group), "*", "id", f"wh_{i}", "body", "{}")
        await scripts.run(client, relist(keys, group, TYPE))
    await client.execute_command("HSET", KEY, field(group, "*"), encode(Opened("f", "E", 1, 2)))
    await store_letters(
        client, *(letter(f"wh_{i}", group=group, message=f"{i}", frame=f"f{i}") for i in range(deaths)), shards=2
    )


async def traces(client, group: str = "billing") -> list[str]:
    """Every place that still names the group: keys, consumer groups, hash fields."""
    found = []
    for name in await client.execute_command("KEYS", "hookbus:*"):
        key = name.decode()
        if group in key:
            found.append(key)
        kind = await client.execute_command("TYPE", key)
        if kind == b"stream":
            groups = await client.execute_command("XINFO", "GROUPS", key)
            found += [f"{key} has the group" for flat in groups if flat[1] == group.encode()]
        elif kind == b"hash":
            fields = await client.execute_command("HKEYS", key)
            found += [f"{key} has {field!r}" for field in fields if group.encode() in field]
        elif kind == b"zset":
            members = await client.execute_command("ZRANGE", key, 0, -1)
            found += [f"{key} has {member!r}" for member in members if group.encode() in member]
        elif kind == b"set":
            members = await client.execute_command("SMEMBERS", key)
            found += [f"{key} has {member!r}" for member in members if group.encode() in member]
    return sorted(found)


def families() -> set[str]:
    """The methods of Keys that build a group's own keys."""
    return {
        name
        for name, member in inspect.getmembers(Keys, inspect.isfunction)
        if not name.startswith("_") and "group" in inspect.signature(member).parameters
    }


async def test_g3_a_forgotten_group_leaves_nothing_and_no_other_group_is_changed(client):
    await everything(client, "phone")
    others = await traces(client, "phone")
    await everything(client)
    kinds = {name for name in families() if await _has_some(client, name)}
    assert kinds == families(), "every kind of key that a group has must be in this test"
    assert len(await traces(client)) > 20
    await (await GroupDeletion.open(client, 1, "billing")).run()
    assert await traces(client) == []
    assert await traces(client, "phone") == others


async def _has_some(client, family: str) -> bool:
    method = getattr(KEYS, family)
    names = list(inspect.signature(method).parameters)
    pattern = method(*["billing" if name == "group" else "*" for name in names])
    for keys in (pattern, pattern.replace("{0}", "{1}")):
        if await client.execute_command("KEYS", keys):
            return True
    return False


async def test_g3_trimming_continues_after_a_forget(client, redis_url):
    await create_groups(client)
    for group in ("billing", "phone"):
        await a_membership(client, KEYS, group, "earliest", [TYPE]).join([TYPE])
    await store(client, *(f"wh_{i}" for i in range(10)))
    await client.execute_command(
        "XACK", KEYS.stream(TYPE), "billing", *(h.entry_id for h in await take(client, "c", group="billing"))
    )
    assert await trimmer(client).trim(at_once=True) == 0
    succeeded(redis_url, "forget", "phone", "--yes")
    assert await trimmer(client).trim(at_once=True) == 9
    assert list(objects(redis_url, "status", "--json")[0]["groups"]) == ["billing"]


async def test_it_shows_what_it_would_remove_and_a_dry_run_removes_nothing(client, redis_url):
    await everything(client)
    await store(client, "wh_1", "wh_2", "wh_3")
    await take(client, "gone", 1, group="billing")
    before = await traces(client)
    [found] = objects(redis_url, "forget", "billing", "--dry-run", "--json")
    assert found == {
        "group": "billing",
        "dry_run": True,
        "alive": [],
        "unhandled": 3 + 4 + 4,
        "dead": 3,
        "types": {TYPE: {"backlog": 2 + 4, "in_flight": 1, "delayed": 4, "dead": 3}},
    }
    lines = succeeded(redis_url, "forget", "billing", "--dry-run").splitlines()
    assert lines[1].split() == [TYPE, "6", "1", "4", "3"]
    assert await traces(client) == before
    assert succeeded(redis_url, "forget", "billing", "--yes").splitlines()[-1] == (
        "forgot billing, with 11 unhandled events, 3 dead letters"
    )
    assert await traces(client) == []


async def test_forget_is_refused_while_a_consumer_is_alive_and_names_it(client, redis_url):
    await everything(client)
    before = await traces(client)
    await client.execute_command("HSET", KEYS.consumers("billing"), "host.1.abcd", "{}")
    await client.execute_command("SET", KEYS.alive("host.1.abcd"), 1)
    found = worker(redis_url, "forget", "billing", "--yes")
    assert found.returncode == 1
    assert b"has live consumers: host.1.abcd; stop them first" in found.stderr
    assert set(before) <= set(await traces(client))


async def test_without_a_terminal_it_needs_yes_and_an_unknown_group_is_an_error(client, redis_url):
    await everything(client)
    found = worker(redis_url, "forget", "billing")
    assert found.returncode == 2
    assert b"--yes to forget billing" in found.stderr
    found = worker(redis_url, "forget", "phone", "--yes")
    assert (found.returncode, found.stderr) == (1, b"hookbus-worker: no group phone; there are: billing\n")
    assert await traces(client)


@pytest.mark.parametrize("newcomer", ["gone", "new"])
async def test_each_step_does_nothing_once_a_consumer_is_alive(client, newcomer):
    """A dead consumer came back, detected by its liveness key, or a new one registered, detected by its name."""
    await everything(client)
    deletion = await GroupDeletion.open(client, 1, "billing")
    consumers = await deletion.consumers(KEYS)
    if newcomer == "gone":
        await client.execute_command("SET", KEYS.alive("gone"), 1)
    else:
        await client.execute_command("HSET", KEYS.consumers("billing"), "new", "{}")
        await client.execute_command("SET", KEYS.alive("new"), 1)
    before = await traces(client)
    with pytest.raises(Exception, match=f"has live consumers: {newcomer}"):
        await deletion.leave(KEYS, consumers, KEYS.stream(TYPE))
    with pytest.raises(Exception, match=f"has live consumers: {newcomer}"):
        await deletion.drop(KEYS, consumers, deletion._whole(KEYS), deletion._fields(KEYS))
    assert await traces(client) == before


async def test_many_pending_entries_are_removed_in_steps(client, monkeypatch):
    monkeypatch.setattr(forget, "BATCH", 3)
    await create_groups(client)
    await a_membership(client, KEYS, "billing", "earliest", [TYPE]).join([TYPE])
    await store(client, *(f"wh_{i}" for i in range(10)))
    await take(client, "gone", group="billing")
    await client.execute_command("CONFIG", "RESETSTAT")
    await (await GroupDeletion.open(client, 1, "billing")).run()
    assert await traces(client) == []
    stats = (await client.execute_command("INFO", "commandstats")).decode()
    assert "cmdstat_xack:calls=10," in stats
    assert "cmdstat_xpending:calls=4," in stats


@pytest.mark.parametrize("tool", ["replay", "redrive"])
@pytest.mark.parametrize("steps", range(0, 60, 4))
async def test_nothing_is_left_when_a_replay_or_a_redrive_comes_between_two_steps(client, monkeypatch, steps, tool):
    await everything(client)
    await store(client, "wh_0")
    letters = await (await DeadLetters.open(client, 1)).find(Filter(names=("wh_0", "wh_1", "wh_2")))
    event = StoredEvent((1, 0), KEYS, TYPE, Entry("wh_0", "openai", 1, b"{}"), 1)
    run, remaining = scripts.run, steps

    async def come_between():
        if tool == "redrive":
            await Moves(client, SHARDS).redrive(letters)
        else:
            with contextlib.suppress(FailedError):
                await Replay(client, "billing", asyncio.Event(), print).deliver([event])

    async def stepping(*args):
        nonlocal remaining
        remaining -= 1
        if remaining == 0:
            await come_between()
        return await run(*args)

    monkeypatch.setattr(scripts, "run", stepping)
    await (await GroupDeletion.open(client, 1, "billing")).run()
    await come_between()  # too late
    assert await traces(client) == []


@pytest.mark.parametrize("steps", range(0, 60, 4))
async def test_interrupted_after_any_step_it_is_completed_by_another_run(client, monkeypatch, steps):
    await everything(client)
    run, remaining = scripts.run, steps

    async def dying(*args):
        nonlocal remaining
        remaining -= 1
        if remaining < 0:
            raise ConnectionError
        return await run(*args)

    monkeypatch.setattr(scripts, "run", dying)
    with contextlib.suppress(ConnectionError):
        await (await GroupDeletion.open(client, 1, "billing")).run()
    monkeypatch.setattr(scripts, "run", run)
    if await traces(client):
        await (await GroupDeletion.open(client, 1, "billing")).run()
    assert await traces(client) == []


async def test_g3_killed_half_way_it_is_completed_by_another_run(client, redis_url):
    await everything(client, deaths=4000)
    process = subprocess.Popen(
        [str(BIN / "hookbus-worker"), "forget", "billing", "--yes"], cwd=ROOT, env=environment(redis_url),
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await until(lambda: _has_begun(client))
        process.send_signal(signal.SIGKILL)
    finally:
        process.wait()
    assert await traces(client), "too late to be in the middle"
    succeeded(redis_url, "forget", "billing", "--yes")
    assert await traces(client) == []


async def _has_begun(client) -> bool:
    return not await client.execute_command("EXISTS", KEYS.redelivery(TYPE, "billing"))

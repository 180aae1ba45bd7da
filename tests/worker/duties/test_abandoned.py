import asyncio

import pytest
from structlog.testing import capture_logs

from hookbus.shared.clock import now_ms
from hookbus.worker.duties import abandoned
from hookbus.worker.duties.abandoned import AbandonedGroups
from tests.wait import until
from tests.worker.builders import KEYS, TYPE, a_membership, store
from tests.worker.chores import CHORES
from tests.worker.dead_letters import create_groups


def watcher(client) -> AbandonedGroups:
    return AbandonedGroups(client, [KEYS], CHORES, asyncio.Event())


async def silent(client, *groups: str, minutes: int = 10) -> None:
    """Groups without workers and with an event to handle."""
    await create_groups(client)
    for group in groups:
        await a_membership(client, KEYS, group, "earliest").join([TYPE])
        await client.execute_command("HSET", KEYS.worked, group, now_ms() - minutes * 60_000)
    await store(client, "wh_1")


async def test_g3_a_group_that_pins_its_streams_is_logged(client):
    await silent(client, "billing")
    with capture_logs() as logs:
        await watcher(client).fetch()
    [line] = logs
    assert (line["event"], line["log_level"], line["group"], line["unhandled"]) == (
        "group_abandoned",
        "warning",
        "billing",
        1,
    )
    assert 590 < line["silent_s"] < 650
    assert line["remedy"].endswith("hookbus-worker forget billing")


async def test_it_is_logged_once_an_hour_and_again_when_it_happens_again(client, monkeypatch):
    await silent(client, "billing")
    duty = watcher(client)
    with capture_logs() as logs:
        await duty.fetch()
        await duty.fetch()
        assert len(logs) == 1
        await client.execute_command("HSET", KEYS.worked, "billing", now_ms())
        await duty.fetch()
        await client.execute_command("HSET", KEYS.worked, "billing", 1)
        await duty.fetch()
        assert len(logs) == 2
        monkeypatch.setattr(abandoned, "REPEAT_S", 0)
        await duty.fetch()
        assert len(logs) == 3


async def test_the_silence_of_a_group_of_an_older_release_counts_from_now(client):
    await create_groups(client, "billing")
    await watcher(client).fetch()
    assert int(await client.execute_command("HGET", KEYS.worked, "billing")) == pytest.approx(now_ms(), abs=10_000)


async def test_a_forgotten_group_leaves_no_record(client):
    await create_groups(client, "billing")
    execute = client.execute_command

    async def deletion(*command):
        if command[0].startswith("EVAL"):
            await execute("HDEL", KEYS.groups, "billing")
        return await execute(*command)

    client.execute_command = deletion
    await watcher(client).fetch()
    assert await execute("HEXISTS", KEYS.worked, "billing") == 0


async def test_the_duty_checks_periodically_and_stops_at_once(client, monkeypatch):
    monkeypatch.setattr(abandoned, "INTERVAL_S", 0.01)
    monkeypatch.setattr(abandoned, "REPEAT_S", 0)
    await silent(client, "billing")
    duty = watcher(client)
    with capture_logs() as logs:
        running = asyncio.create_task(duty.run())
        await until(lambda: len(logs) > 1)
    duty._stopping.set()
    async with asyncio.timeout(1):
        await running

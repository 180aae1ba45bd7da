"""A subscription dropped from an app: what waits of it is kept for a safe time, and then holds up nothing."""

import asyncio

import pytest
from structlog.testing import capture_logs

from hookbus.shared import scripts
from hookbus.shared.keys import HANDOVER
from hookbus.worker.duties.membership import Membership
from hookbus.worker.duties.trim import EVERYTHING, STEP, Trimmer
from hookbus.worker.inventory import registry, unsubscribed_types
from hookbus.worker.inventory.readers import register
from hookbus.worker.pipeline.routes import patterns_of
from hookbus.worker.settings import WorkerSettings
from tests.worker.rig import GROUP, KEYS, STREAM, TYPE, store

DAY_MS = 86_400_000


async def dropped(client, *patterns: str, consumer: bytes | None = None) -> None:
    """A group that read the type, has not handled two events of it, and subscribes to `patterns` now."""
    await Membership(client, KEYS, GROUP, "earliest", [TYPE]).join([TYPE])
    await store(client, "wh_1", "wh_2")
    await client.execute_command("HSET", KEYS.patterns, GROUP, " ".join(patterns))
    info = register(1, patterns, "") if consumer is None else consumer
    if info:
        await client.execute_command("HSET", KEYS.consumers(GROUP), "c", info)
        await client.execute_command("SET", KEYS.alive("c"), 1)


async def over(client, safe_ms: int = 0) -> dict[str, list[str]]:
    return await unsubscribed_types.fetch(client, KEYS, [TYPE], await registry.now_ms(client), safe_ms)


async def test_it_is_kept_for_the_safe_time_counted_from_when_it_was_first_seen(client):
    await dropped(client, "batch.*")
    with capture_logs() as logs:
        assert await over(client) == {}
        assert await over(client) == {TYPE: [GROUP]}
    assert [(each["event"], each["group"], each["type"]) for each in logs] == [("type_unsubscribed", GROUP, TYPE)]
    assert await over(client, safe_ms=DAY_MS) == {}
    since_ms = await registry.now_ms(client) - DAY_MS
    await client.execute_command("HSET", KEYS.left, f"{TYPE}|{GROUP}", since_ms)
    assert await over(client, safe_ms=DAY_MS) == {TYPE: [GROUP]}


@pytest.mark.parametrize(
    ("patterns", "consumer"),
    [
        (("response.*",), None),  # it subscribes
        (("batch.*",), b""),  # nobody is registered: stopped, or abandoned
        (("batch.*",), b"{}"),  # a consumer of another release, who may read it
        (("batch.*",), register(1, ["*"], "")),  # a consumer of before the last start reads it
    ],
)
async def test_g3_who_may_read_it_yet_holds_it(client, patterns, consumer):
    await dropped(client, *patterns, consumer=consumer)
    for _ in range(2):
        assert await over(client) == {}
    assert await client.execute_command("EXISTS", KEYS.left) == 0


@pytest.mark.parametrize("name", ["dead", HANDOVER])
async def test_what_a_dead_consumer_that_read_it_holds_is_left_too(client, name):
    """Nobody can take it over, so that the dead one stays registered."""
    await dropped(client, "batch.*")
    await client.execute_command("HSET", KEYS.consumers(GROUP), name, register(1, [TYPE], ""))
    await over(client)
    assert await over(client) == {TYPE: [GROUP]}


async def test_one_that_reads_it_again_starts_from_the_beginning_when_it_leaves_once_more(client):
    await dropped(client, "batch.*")
    await over(client)
    await client.execute_command("HSET", KEYS.consumers(GROUP), "new", register(1, [TYPE], ""))
    await client.execute_command("SET", KEYS.alive("new"), 1)
    assert await over(client) == {}
    assert await client.execute_command("HLEN", KEYS.left) == 0


async def test_what_a_group_left_long_ago_is_trimmed(client):
    await dropped(client, "batch.*")
    settings = WorkerSettings(retention_s=0.001, orphan_retention_s=0.2)
    trimmer = Trimmer(client, KEYS, asyncio.Event(), settings)
    assert await trimmer.trim() == 0
    await client.execute_command("HSET", KEYS.left, f"{TYPE}|{GROUP}", await registry.now_ms(client) - 1000)
    await asyncio.sleep(0.25)  # the events have to be as old as that, too
    assert await trimmer.trim() == 2
    assert await client.execute_command("XLEN", STREAM) == 0


async def test_g3_trim_loses_the_race_against_a_worker_that_subscribes_again(client):
    """It told Redis so after somebody saw that the group had left."""
    await dropped(client, "batch.*")
    args = (" ".join(patterns_of(TYPE)), EVERYTHING, EVERYTHING, 1000, STEP, GROUP)
    call = scripts.Call(scripts.TRIM, (STREAM, KEYS.groups, KEYS.patterns), args)
    await client.execute_command("HSET", KEYS.patterns, GROUP, "response.*")
    assert await scripts.run(client, call) == [0, 0]
    await client.execute_command("HSET", KEYS.patterns, GROUP, "batch.*")
    assert await scripts.run(client, call) == [2, 1]

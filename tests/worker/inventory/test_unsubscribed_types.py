"""A subscription dropped from an app: its unhandled events are kept for a safe time, and then trimmed."""

import asyncio

import pytest
from structlog.testing import capture_logs

from hookbus.shared import scripts
from hookbus.shared.keys import HANDOVER
from hookbus.shared.patterns import patterns_of
from hookbus.worker.duties.trim import EVERYTHING, STEP, Trimmer
from hookbus.worker.inventory import registry, unsubscribed_types
from hookbus.worker.inventory.readers import register
from hookbus.worker.settings import WorkerSettings
from tests.worker.builders import GROUP, KEYS, STREAM, TYPE, a_membership, store
from tests.worker.chores import CHORES

DAY_MS = 86_400_000


async def dropped(client, *patterns: str, consumer: bytes | None = None) -> None:
    """A group that read the type, has not handled two events of it, and subscribes to `patterns` now."""
    await a_membership(client, KEYS, GROUP, "earliest", [TYPE]).join([TYPE])
    await store(client, "wh_1", "wh_2")
    await client.execute_command("HSET", KEYS.patterns, GROUP, " ".join(patterns))
    info = register(1, patterns, "") if consumer is None else consumer
    if info:
        await client.execute_command("HSET", KEYS.consumers(GROUP), "c", info)
        await client.execute_command("SET", KEYS.alive("c"), 1)


async def unsubscribed(client, safe_ms: int = 0) -> dict[str, list[str]]:
    return await unsubscribed_types.fetch(client, KEYS, [TYPE], await registry.now_ms(client), safe_ms)


async def test_events_are_kept_for_the_safe_time_from_the_first_detection(client):
    await dropped(client, "batch.*")
    with capture_logs() as logs:
        assert await unsubscribed(client) == {}
        assert await unsubscribed(client) == {TYPE: [GROUP]}
    assert [(each["event"], each["group"], each["type"]) for each in logs] == [("type_unsubscribed", GROUP, TYPE)]
    assert await unsubscribed(client, safe_ms=DAY_MS) == {}
    since_ms = await registry.now_ms(client) - DAY_MS
    await client.execute_command("HSET", KEYS.left, f"{TYPE}|{GROUP}", since_ms)
    assert await unsubscribed(client, safe_ms=DAY_MS) == {TYPE: [GROUP]}


@pytest.mark.parametrize(
    ("patterns", "consumer"),
    [
        (("response.*",), None),  # it subscribes
        (("batch.*",), b""),  # no consumer is registered: stopped, or abandoned
        (("batch.*",), b"{}"),  # a consumer of another release, which may read it
        (("batch.*",), register(1, ["*"], "")),  # an older consumer still reads it
    ],
)
async def test_g3_a_group_that_may_still_read_a_type_is_not_unsubscribed(client, patterns, consumer):
    await dropped(client, *patterns, consumer=consumer)
    for _ in range(2):
        assert await unsubscribed(client) == {}
    assert await client.execute_command("EXISTS", KEYS.left) == 0


@pytest.mark.parametrize("name", ["dead", HANDOVER])
async def test_a_dead_consumer_that_read_the_type_does_not_count_as_a_reader(client, name):
    """No consumer can take its deliveries over, so it stays registered."""
    await dropped(client, "batch.*")
    await client.execute_command("HSET", KEYS.consumers(GROUP), name, register(1, [TYPE], ""))
    await unsubscribed(client)
    assert await unsubscribed(client) == {TYPE: [GROUP]}


async def test_the_safe_time_starts_anew_after_a_group_subscribed_again(client):
    await dropped(client, "batch.*")
    await unsubscribed(client)
    await client.execute_command("HSET", KEYS.consumers(GROUP), "new", register(1, [TYPE], ""))
    await client.execute_command("SET", KEYS.alive("new"), 1)
    assert await unsubscribed(client) == {}
    assert await client.execute_command("HLEN", KEYS.left) == 0


async def test_an_unsubscribed_type_is_trimmed_after_the_safe_time(client):
    await dropped(client, "batch.*")
    settings = WorkerSettings(retention_s=0.001, orphan_retention_s=0.2)
    trimmer = Trimmer(client, KEYS, CHORES, asyncio.Event(), settings)
    assert await trimmer.trim() == 0
    await client.execute_command("HSET", KEYS.left, f"{TYPE}|{GROUP}", await registry.now_ms(client) - 1000)
    await asyncio.sleep(0.25)  # the events have to be as old as that, too
    assert await trimmer.trim() == 2
    assert await client.execute_command("XLEN", STREAM) == 0


async def test_g3_trim_loses_the_race_against_a_worker_that_subscribes_again(client):
    """It published its patterns after another worker had detected the unsubscribed type."""
    await dropped(client, "batch.*")
    args = (" ".join(patterns_of(TYPE)), EVERYTHING, EVERYTHING, 1000, STEP, GROUP)
    call = scripts.Call(scripts.TRIM, (STREAM, KEYS.groups, KEYS.patterns), args)
    await client.execute_command("HSET", KEYS.patterns, GROUP, "response.*")
    assert await scripts.run(client, call) == [0, 0]
    await client.execute_command("HSET", KEYS.patterns, GROUP, "batch.*")
    assert await scripts.run(client, call) == [2, 1]

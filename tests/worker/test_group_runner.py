"""A group in one shard, run by one process."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from hookbus.worker.duties.circuits import Circuits
from hookbus.worker.duties.heartbeat import Liveness
from hookbus.worker.group_runner import GroupRunner, ProcessContext
from hookbus.worker.inventory import pauses
from hookbus.worker.pipeline.process import Caller
from hookbus.worker.pipeline.routes import Group
from hookbus.worker.pipeline.slots import Slots
from hookbus.worker.pipeline.subscriber import Subscriber
from hookbus.worker.pipeline.unusable_keys import UnusableKeys
from hookbus.worker.quarantine.quarantine import Quarantine
from tests.worker.builders import GROUP, KEYS, TYPE, Handler, settling
from tests.worker.lookouts import a_lookout
from tests.worker.running import app_of, running


@pytest.fixture
async def member(client, redis_url) -> AsyncIterator[GroupRunner]:
    """A group runner that subscribes to every type; its duties do not run."""
    route, stopping = Handler().route("*"), asyncio.Event()
    liveness = Liveness(
        redis_url, "me", groups={GROUP: ["*"]}, only="", shards=[KEYS], loop_age_s=lambda: 0.0, hard_limit_s=60
    )
    circuits = Circuits(client, [KEYS], [route], stopping)
    async with settling(client) as outcome_writer:
        subscriber = Subscriber(
            route=route,
            caller=Caller(route, 1),
            slots=Slots(1),
            outcome_writer=outcome_writer,
            observe=circuits.by_route[route].observe,
            stopping=stopping,
        )
        process = ProcessContext(
            address=redis_url,
            consumer="me",
            only="",
            control=client,
            outcome_writer=outcome_writer,
            quarantine=Quarantine(
                launch=None, client=client, shards=[KEYS], consumer="me", processes=1, parked=lambda *_: None
            ),
            liveness=liveness,
            circuits=circuits,
            subscribers={route: subscriber},
            lookouts={KEYS: a_lookout(client, stopping)},
            unusable_keys=UnusableKeys(),
            stopping=stopping,
        )
        runner = GroupRunner(Group(GROUP, "earliest", (route,)), KEYS, process)
        yield runner
        await runner.close()
        liveness.stop()


@pytest.mark.parametrize("pattern", ["*", "my.*"])
async def test_g7_a_type_that_appears_while_it_is_paused_is_held_from_the_start(client, member, pattern):
    await pauses.write(client, [KEYS], GROUP, pattern)
    await member._lookout.look()
    await member.join()
    await member._add_types(["my.type"])
    reader = member.reader
    assert reader.is_paused("my.type")
    await pauses.erase(client, [KEYS], GROUP, pauses.ALL)
    await member._lookout.look()
    await member._pauses.apply()
    assert not reader.is_paused("my.type")


async def test_only_types_that_were_seen_are_read(client, member):
    await client.execute_command("SADD", KEYS.types, "batch.completed")
    await member._lookout.look()
    await member.join()
    assert member.reader.types == ["batch.completed"]
    await member._add_types(["batch.completed", "my.type"])
    assert member.reader.types == ["batch.completed", "my.type"]


async def test_a_type_that_a_pattern_names_is_read_before_it_was_seen(client, redis_url):
    """The first event of a phone call does not wait until its type is discovered."""
    async with running(redis_url, app_of(Handler())) as worker:
        [reader] = worker.worker._readers.values()
        assert reader.types == [TYPE]

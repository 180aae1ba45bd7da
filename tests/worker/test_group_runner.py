"""A group in one shard, run by one process."""

from collections.abc import AsyncIterator

import pytest

from hookbus.shared.address import RedisUrl
from hookbus.shared.command import Stopping
from hookbus.worker.consumer import Consumer
from hookbus.worker.duties.circuits import Circuits
from hookbus.worker.group_runner import GroupRunner, ProcessContext
from hookbus.worker.inventory import pauses
from hookbus.worker.pipeline.process import Caller
from hookbus.worker.pipeline.routes import Group
from hookbus.worker.pipeline.slots import Slots
from hookbus.worker.pipeline.subscriber import Subscriber
from hookbus.worker.pipeline.unusable_keys import UnusableKeys
from hookbus.worker.quarantine.quarantine import Quarantine
from hookbus.worker.settings import WorkerSettings
from tests.worker.builders import GROUP, KEYS, TYPE, Handler
from tests.worker.lookouts import a_lookout
from tests.worker.running import app_of, running


@pytest.fixture
async def member(client, redis_url) -> AsyncIterator[GroupRunner]:
    """A group runner that subscribes to every type; its duties do not run."""
    route, stopping = Handler().route("*"), Stopping()
    group = Group(GROUP, "earliest", (route,))
    settings = WorkerSettings(redis_url=RedisUrl(redis_url))
    consumer = Consumer("me", settings, [group], "", stopping, lambda *_: None, has_quarantine=False)
    lookout = a_lookout(client, stopping)
    circuits = Circuits(client, lookout, [KEYS], [route])
    subscriber = Subscriber(
        route=route,
        caller=Caller(route, 1),
        slots=Slots(1),
        outcome_writer=consumer.outcome_writer,
        observe=circuits.by_route[route].observe,
        stopping=stopping,
    )
    process = ProcessContext(
        consumer=consumer,
        quarantine=Quarantine(launch=None, client=client, shards=[KEYS], consumer="me", processes=1),
        circuits=circuits,
        subscribers={route: subscriber},
        lookouts={KEYS: lookout},
        unusable_keys=UnusableKeys(),
    )
    runner = GroupRunner(group, KEYS, process)
    yield runner
    await runner.close()
    await consumer.close()
    consumer.liveness.stop()


@pytest.mark.parametrize("pattern", ["*", "my.*"])
async def test_g7_a_type_that_appears_while_it_is_paused_is_held_from_the_start(client, member, pattern):
    await pauses.write(client, [KEYS], GROUP, pattern)
    await member._lookout.look()
    await member.join()
    await member._add_types(["my.type"])
    reader = member.reader
    assert reader.streams.all[KEYS.stream("my.type")].is_paused
    await pauses.erase(client, [KEYS], GROUP, pauses.ALL)
    await member._lookout.look()
    await member._pauses.apply(member._lookout.last)
    assert not reader.streams.all[KEYS.stream("my.type")].is_paused


async def test_only_types_that_were_seen_are_read(client, member):
    await client.execute_command("SADD", KEYS.types, "batch.completed")
    await member._lookout.look()
    await member.join()
    assert member.reader.streams.types == ["batch.completed"]
    await member._add_types(["batch.completed", "my.type"])
    assert member.reader.streams.types == ["batch.completed", "my.type"]


async def test_a_type_that_a_pattern_names_is_read_before_it_was_seen(client, redis_url):
    """The first event of a phone call does not wait until its type is discovered."""
    async with running(redis_url, app_of(Handler())) as worker:
        [reader] = worker.worker._readers.values()
        assert reader.streams.types == [TYPE]

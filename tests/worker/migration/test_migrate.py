import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ResponseError
from structlog.testing import capture_logs

from hookbus.shared import keys, layout, scripts
from hookbus.shared.command import FailedError
from hookbus.shared.connection import connect
from hookbus.shared.keys import HOME, Keys
from hookbus.shared.layout import OlderLayoutError, claim
from hookbus.shared.settings import ConfigError
from hookbus.worker.inventory import pauses, redeliveries, suspensions
from hookbus.worker.inventory.pauses import Paused
from hookbus.worker.migration.migrate import migrate
from hookbus.worker.migration.old_keys import OldKeys
from tests import layout_1
from tests.wait import until

SHARDS = tuple(map(Keys, range(2)))
OWN = re.compile(rb":stream:[^:]+:")
"""In the names of redelivery streams."""
OLD = OldKeys(HOME)
DEAD = "vm.22187.9bbd1ad4"
"""A consumer of the data, in all groups."""


class KilledError(BaseException):
    """Stands for a SIGKILL."""


class Mortal:
    """A client whose process is killed after some commands, also in the middle of a pipeline: no other is sent."""

    def __init__(self, client: Redis, commands: int) -> None:
        self._client = client
        self._left = commands

    async def execute_command(self, *command: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise KilledError
        return await self._client.execute_command(*command)

    async def script_load(self, source: str) -> Any:
        return await self._client.script_load(source)

    def pipeline(self, *, transaction: bool) -> "MortalPipeline":
        return MortalPipeline(self)


class MortalPipeline:
    def __init__(self, client: Mortal) -> None:
        self._client = client
        self._commands: list[tuple[Any, ...]] = []

    def execute_command(self, *command: Any) -> None:
        self._commands.append(command)

    async def execute(self, *, raise_on_error: bool) -> list[Any]:
        replies: list[Any] = []
        for command in self._commands:
            try:
                replies.append(await self._client.execute_command(*command))
            except ResponseError as error:
                replies.append(error)
        return replies


async def older(client: Redis) -> OlderLayoutError:
    with pytest.raises(OlderLayoutError) as caught:
        await layout.read(client.execute_command)
    return caught.value


async def migrated(client: Any, settle_s: float = 0) -> None:
    await migrate(client, OlderLayoutError(1, 2), 2, settle_s)


async def layout_is(client: Redis, layout: bytes) -> bool:
    return bool(await client.execute_command("HGET", keys.META, "layout") == layout)


async def contents(client: Redis) -> dict[bytes, Any]:
    """Every key with its type, in place of those of hashes, sets and streams what they hold."""
    found: dict[bytes, Any] = {}
    for name in await client.execute_command("KEYS", "*"):
        found[name] = await client.execute_command("TYPE", name)
        if found[name] == b"hash":
            flat = await client.execute_command("HGETALL", name)
            found[name] = dict(zip(flat[::2], flat[1::2], strict=True))
        elif found[name] == b"set":
            found[name] = set(await client.execute_command("SMEMBERS", name))
        elif found[name] == b"stream":
            found[name] = await client.execute_command("XRANGE", name, "-", "+")
    return found


@pytest.fixture
async def old_data(client: Redis) -> AsyncIterator[None]:
    await layout_1.load(client)
    yield
    await client.execute_command("FLUSHALL")


async def test_the_moved_parts_are_what_this_release_reads(client, old_data):
    before = await contents(client)
    own = [name for name in before if OWN.search(name)]
    empty = {name for name in own if not before[name]}
    assert empty
    assert len(own) > len(empty)
    await migrated(client)
    assert await layout.read(client.execute_command) == SHARDS
    assert await pauses.fetch(client, SHARDS, "billing") == {"response.failed": Paused(1795870692212)}
    opened = (await suspensions.fetch(client))["billing"]["batch.*"]
    assert (opened.error, opened.until_ms) == ("ConnectionError: its database is unreachable", 1795874292769)
    after = await contents(client)
    gone = {OLD.breakers("billing"), OLD.started("billing"), *(OldKeys(shard).paused("billing") for shard in SHARDS)}
    assert before.keys() - after.keys() == {name.encode() for name in gone} | empty
    new = {HOME.suspended, *(shard.paused for shard in SHARDS), *(shard.redeliveries for shard in SHARDS)}
    assert after.keys() - before.keys() == {name.encode() for name in new}
    for shard in SHARDS:
        listed = after[shard.redeliveries.encode()]
        streams = {
            shard.redelivery(name, group) for group, types in redeliveries.read(listed).items() for name in types
        }
        assert streams == {name.decode() for name in own if name not in empty and keys.of(name.decode()) == shard}
    changed = {name for name in before.keys() & after.keys() if before[name] != after[name]}
    assert changed == {keys.META.encode()}


async def test_it_may_be_killed_at_any_point_and_goes_on(client, old_data):
    async def begin_anew() -> None:
        await client.execute_command("FLUSHALL")
        pipeline = client.pipeline(transaction=False)
        for command in changing:
            pipeline.execute_command(*command)
        await pipeline.execute()

    own = [command for command in layout_1.commands() if any(map(OWN.search, command[:3]))]
    changing = [command for command in layout_1.commands() if command[0] == b"HMSET"] + own  # no other key changes
    await begin_anew()
    await migrated(client)
    whole = await contents(client)
    for commands in (*range(30), *range(30, 1000, 20)):  # most of them deal with one redelivery stream each
        await begin_anew()
        try:
            await migrated(Mortal(client, commands))
        except KilledError:
            await older(client)  # nobody takes half-moved data for whole ones
            await migrated(client)
            assert await contents(client) == whole, f"killed after {commands} commands"
        else:
            break
    assert commands > 10


async def test_several_workers_may_do_it_at_once(client, old_data):
    await migrated(client)
    whole = await contents(client)
    await client.execute_command("FLUSHALL")
    await layout_1.load(client)
    await asyncio.gather(*(migrated(client) for _ in range(4)))
    assert await contents(client) == whole


async def test_beside_a_living_consumer_of_the_older_layout_it_refuses_and_changes_nothing(client, old_data):
    await client.execute_command("SET", SHARDS[1].alive(DEAD), 1)
    before = await contents(client)
    with pytest.raises(FailedError, match=f"data layout 1: stop all workers .* still running: {DEAD}$"):
        await migrated(client)
    assert await contents(client) == before


async def test_a_consumer_that_starts_at_the_same_moment_is_refused_too(client, old_data):

    async def start() -> None:
        await until(lambda: layout_is(client, b"2"))
        await client.execute_command("SET", HOME.alive(DEAD), 1)

    starting = asyncio.create_task(start())
    with pytest.raises(FailedError, match=f"still running: {DEAD}$"):
        await migrated(client, settle_s=1)
    await starting
    assert await client.execute_command("EXISTS", HOME.suspended) == 0
    with pytest.raises(FailedError):  # the next one to start looks as well
        await migrated(client)
    await client.execute_command("DEL", HOME.alive(DEAD))
    await migrated(client)
    assert await layout.read(client.execute_command) == SHARDS


async def test_one_that_lags_behind_takes_no_worker_of_this_release_for_an_older_one(client, old_data):
    await migrated(client)
    await client.execute_command("SET", HOME.alive(DEAD), 1)
    await migrated(client)


async def test_another_number_of_shards_is_refused(client, old_data):
    with pytest.raises(ConfigError, match="shards: 3 here, but the data in Redis is spread over 2"):
        await migrate(client, await older(client), 3)


async def test_it_works_in_a_full_redis(client, old_data):
    await client.execute_command("CONFIG", "SET", "maxmemory", "1")
    await migrated(client)
    assert await claim(client.execute_command, 2) == (0, 1)


async def test_a_key_that_redis_refuses_is_left_out_and_logged(client, old_data):
    key = OLD.paused("billing")
    await client.execute_command("SET", key, "foreign")
    with capture_logs() as logs:
        await migrated(client)
    assert [entry["key"] for entry in logs if entry["event"] == "migration_skipped"] == [key]
    assert await client.execute_command("GET", key) == b"foreign"
    assert await suspensions.fetch(client)


async def test_a_key_that_the_acl_forbids_ends_it_and_nothing_is_left_behind(own_server):
    client = connect(own_server.url, "tests")
    await layout_1.load(client)
    rules = ("on", ">pw", "~*", "&*", "+@all")
    await client.execute_command(
        "ACL", "SETUSER", "old", *rules, "resetkeys", "~hookbus:{*}:[a-rt-z]*", "~hookbus:meta"
    )
    restricted = connect(own_server.url.replace("://", "://old:pw@"), "tests")
    with pytest.raises(NoPermissionError):
        await migrated(restricted)
    await migrated(client)
    assert (await suspensions.fetch(client))["billing"]
    await restricted.aclose()
    await client.aclose()


async def test_carry_brings_nothing_back_that_another_process_has_moved(client):
    await client.execute_command("HSET", "test:old", "batch.*", "stored")
    call = scripts.Call(scripts.CARRY, ("test:old", "test:new"), ("batch.*", "stored", "billing|batch.*", "value"))
    assert await scripts.run(client, call) == 1
    await client.execute_command("HDEL", "test:new", "billing|batch.*")  # an operator resumes it
    assert await scripts.run(client, call) == 0
    assert await client.execute_command("EXISTS", "test:old", "test:new") == 0


async def test_carry_removes_nothing_that_it_cannot_write(client):
    await client.execute_command("HSET", "test:old", "batch.*", "stored")
    await client.execute_command("SET", "test:new", "foreign")
    call = scripts.Call(scripts.CARRY, ("test:old", "test:new"), ("batch.*", "stored", "name", "value"))
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await scripts.run(client, call)
    assert await client.execute_command("HGET", "test:old", "batch.*") == b"stored"


async def test_advance_does_not_begin_again_what_another_process_has_finished(client):
    await client.execute_command("HSET", keys.META, "layout", 1, "shards", 2)
    call = scripts.Call(scripts.ADVANCE, (keys.META,), (1, 2))
    assert await scripts.run(client, call) == 1
    await client.execute_command("HDEL", keys.META, layout.MIGRATING)
    assert await scripts.run(client, call) == 0
    assert await client.execute_command("HEXISTS", keys.META, layout.MIGRATING) == 0

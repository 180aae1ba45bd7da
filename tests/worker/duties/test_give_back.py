"""What a worker has read and cannot begin goes to the others. Whole workers in this process, each with its own name."""

import asyncio
import contextlib
import time
from collections import Counter

import pytest

from hookbus.shared import scripts
from hookbus.shared.keys import HANDOVER, Keys
from hookbus.worker.duties import give_back
from hookbus.worker.inventory import pauses
from hookbus.worker.pipeline.handover import release
from tests.wait import until
from tests.worker.builders import (
    GROUP,
    KEYS,
    OWN_STREAM,
    STREAM,
    TYPE,
    Handler,
    join,
    pending,
    redeliver,
    store,
    take,
)
from tests.worker.running import app_of, running

TYPES = [f"my.type{i}" for i in range(16)]
FIELDS = ("src", "openai", "at", 1, "body", "{}", "id")


async def commit(client, *types: str, shard: Keys = KEYS) -> None:
    """Store an event of each type in one step, as one group commit does."""
    async with client.pipeline(transaction=True) as together:
        for name in types:
            together.execute_command("XADD", shard.stream(name), "*", *FIELDS, f"wh_{name}")
        await together.execute()


@contextlib.asynccontextmanager
async def four_workers(url: str, client, handlers: list[Handler], **settings):
    """Workers that wait for entries of all types."""
    await client.execute_command("SADD", KEYS.types, *TYPES)
    async with contextlib.AsyncExitStack() as stack:
        for handler in handlers:
            app = app_of(handler, "my.*", concurrency=1)
            worker = await stack.enter_async_context(running(url, app, **settings))
            readers = list(worker.worker._readers.values())
            await until(lambda readers=readers: all(reader.silent_s() > 0.05 for reader in readers))
        yield


async def test_g7_a_burst_of_many_types_is_shared_by_idle_workers(client, redis_url):
    """COUNT is per stream: the first worker whose read ends gets all sixteen, and has one place."""
    handlers = [Handler(is_open=True, pause_s=1.0) for _ in range(4)]
    async with four_workers(redis_url, client, handlers):
        began = time.monotonic()
        await commit(client, *TYPES)
        await until(lambda: sum(len(handler.began) for handler in handlers) == 16)
        took_s = time.monotonic() - began
        await until(lambda: sum(len(handler.done) for handler in handlers) == 16)
    assert all(3 <= len(handler.done) <= 6 for handler in handlers)
    assert took_s <= 4 * 1.0 + 2
    assert Counter(name for handler in handlers for name in handler.began) == Counter(f"wh_{name}" for name in TYPES)


async def test_quick_handlers_take_what_was_read_and_nothing_is_given_back(client, redis_url, monkeypatch):
    monkeypatch.setattr(give_back, "GRACE_S", 3.0)  # on a busy machine they are not that quick
    handler = Handler(is_open=True)
    async with four_workers(redis_url, client, [handler]):
        await commit(client, *TYPES)
        await until(lambda: len(handler.done) == 16)
        assert await client.execute_command("HEXISTS", KEYS.consumers(GROUP), HANDOVER) == 0


async def test_what_was_given_back_comes_before_anything_new_and_counts_as_no_delivery(client, redis_url):
    handler = Handler()
    async with four_workers(redis_url, client, [handler]):
        await commit(client, *TYPES[:3])
        await until(lambda: len(handler.began) == 1)
        left = [name for name in TYPES[:3] if f"wh_{name}" not in handler.began]
        for name in left:
            await until(lambda name=name: _is_handed_over(client, name))
        await commit(client, *TYPES[3:])
        handler.go()
        await until(lambda: len(handler.done) == 16)
        assert sorted(handler.began[1:3]) == [f"wh_{name}" for name in left]


async def _is_handed_over(client, event_type: str) -> bool:
    entries = await client.execute_command("XPENDING", KEYS.stream(event_type), GROUP, "-", "+", 10)
    return [(owner.decode(), times) for _, owner, _, times in entries] == [(HANDOVER, 0)]


@pytest.mark.parametrize("concurrency", [1, 50])
async def test_deliveries_of_a_type_paused_while_they_were_read_are_given_back_and_hold_up_no_other(
    client, redis_url, concurrency
):
    handler = Handler()
    async with running(redis_url, app_of(handler, "*", concurrency=concurrency)) as worker:
        await store(client, "wh_1", event_type="batch.completed")
        await until(lambda: handler.began == ["wh_1"])
        [reader] = worker.worker._readers.values()
        [subscriber] = worker.worker._subscribers
        await pauses.write(client, [KEYS], GROUP, TYPE)
        await until(lambda: STREAM in reader.streams.all or reader.add(TYPE))
        await until(lambda: reader.streams.all[STREAM].is_paused)
        await store(client, "wh_paused")
        [in_flight] = await take(client, worker.consumer)
        subscriber.accept(in_flight)
        await until(lambda: _owners(client, {HANDOVER}))
        handler.go()
        await store(client, "wh_2", event_type="batch.completed")
        await until(lambda: handler.done == ["wh_1", "wh_2"])
        await pauses.erase(client, [KEYS], GROUP, TYPE)
        await until(lambda: handler.done == ["wh_1", "wh_2", "wh_paused"])


async def _owners(client, expected: set[str]) -> bool:
    return {owner for owner, _ in (await pending(client)).values()} == expected


async def test_concurrency_is_exact_over_all_shards_and_each_shard_has_its_turn(client, redis_url):
    handler = Handler(is_open=True, pause_s=0.005)
    for shard in range(4):
        await client.execute_command("SADD", Keys(shard).types, TYPE)
        for i in range(20):
            await client.execute_command("XADD", Keys(shard).stream(TYPE), "*", *FIELDS, f"{shard}-{i}")
    async with running(redis_url, app_of(handler, concurrency=3), shards=4):
        await until(lambda: len(handler.done) == 80)
    assert handler.max_running == 3
    assert len({name.partition("-")[0] for name in handler.began[:30]}) == 4
    assert len(set(handler.done)) == 80


@pytest.mark.parametrize("own", [False, True])
async def test_a_release_leaves_what_was_settled_or_taken_over_meanwhile(client, own):
    await join(client)
    add = redeliver if own else store
    stream = OWN_STREAM if own else STREAM
    await add(client, *(f"wh_{i}" for i in range(4)))
    mine, settled, taken, other = await take(client, "me", own=own)
    await client.execute_command("XACK", stream, GROUP, settled.entry_id)
    await client.execute_command("XCLAIM", stream, GROUP, "another", 0, taken.entry_id)
    released = await scripts.run(
        client, release(stream, GROUP, "me", 3, [each.entry_id for each in (mine, settled, taken)])
    )
    owners = {entry_id: owner for entry_id, (owner, _) in (await pending(client, own=own)).items()}
    assert released == 1
    assert owners == {mine.entry_id: HANDOVER, taken.entry_id: "another", other.entry_id: "me"}


async def test_a_release_that_failed_is_begun_again_if_it_is_still_pending(client, redis_url, monkeypatch):
    handler = Handler()
    async with four_workers(redis_url, client, [handler]):

        async def fail(*_: object) -> None:
            raise ConnectionError("lost")

        monkeypatch.setattr(scripts, "run_all", fail)
        await commit(client, *TYPES[:2])
        await until(lambda: len(handler.began) == 1)
        await asyncio.sleep(2 * give_back.GRACE_S)
        monkeypatch.undo()
        handler.go()
        await until(lambda: len(handler.done) == 2)


async def test_nothing_is_owed_where_nothing_was_released(client, redis_url):
    """Of a paused type no place tells the takeover to look again: a debt would keep all other types unread."""
    handler = Handler(is_open=True)
    async with running(redis_url, app_of(handler, "*")) as worker:
        [reader] = worker.worker._readers.values()
        [subscriber] = worker.worker._subscribers
        await store(client, "wh_0")
        await until(lambda: handler.done == ["wh_0"])
        await pauses.write(client, [KEYS], GROUP, TYPE)
        await until(lambda: reader.streams.all[STREAM].is_paused)
        await until(lambda: worker.worker._runners[KEYS, GROUP]._takeover._is_done)
        await store(client, "wh_1")
        [in_flight] = await take(client, worker.consumer)
        await client.execute_command("XACK", STREAM, GROUP, in_flight.entry_id)
        subscriber.accept(in_flight)
        await until(lambda: not subscriber.surplus)
        assert not subscriber.is_owed
        await store(client, "wh_2", event_type="batch.completed")
        await until(lambda: handler.done == ["wh_0", "wh_2"])


async def test_a_release_that_one_stream_refuses_is_looked_at_again_and_owes_nothing(client, redis_url, monkeypatch):
    handler = Handler()
    rechecked: list[str] = []
    async with running(redis_url, app_of(handler, concurrency=1)) as worker:
        [reader] = worker.worker._readers.values()
        [subscriber] = worker.worker._subscribers
        await store(client, "wh_1")
        await until(lambda: handler.began == ["wh_1"])
        await store(client, "wh_2")
        [in_flight] = await take(client, worker.consumer)
        await client.execute_command("RENAME", STREAM, f"{STREAM}.aside")
        await client.execute_command("SET", STREAM, "a slip")
        recheck = reader.recheck
        monkeypatch.setattr(reader, "recheck", lambda: (rechecked.append(STREAM), recheck()))
        subscriber.accept(in_flight)
        await until(lambda: rechecked)
        assert not subscriber.is_owed
        await client.execute_command("RENAME", f"{STREAM}.aside", STREAM)
        handler.go()
        await until(lambda: handler.done == ["wh_1", "wh_2"], 30)

"""Pause and resume: in one reader, across shards, and as commands."""

import pytest

from hookbus.shared.keys import Keys
from hookbus.worker.duties.paused import Pauses
from hookbus.worker.inventory import pauses
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, TYPE, Handler, a_context, join, pending, redeliver, settled, store
from tests.worker.commands import objects, succeeded, worker
from tests.worker.dead_letters import create_groups, subscribe
from tests.worker.lookouts import looked
from tests.worker.subscriptions import runtime

OTHER = "response.failed"
FIELDS = ("src", "openai", "at", 1, "body", "{}", "id")


async def apply(client, reader) -> None:
    lookout = await looked(client)
    await Pauses(a_context(client), lookout, reader).apply(lookout.last)


async def test_a_paused_type_is_not_read_and_the_others_of_its_subscription_are(client, redis_url):
    handler = Handler(is_open=True)
    await join(client, TYPE, OTHER)
    await store(client, "wh_1")
    await redeliver(client, "wh_2")
    await store(client, "wh_3", event_type=OTHER)
    async with runtime(redis_url, client, handler.route("response.*")) as subscription:
        for name in (TYPE, OTHER):
            subscription.reader.add(name)
        await pauses.write(client, [KEYS], GROUP, TYPE)
        await apply(client, subscription.reader)
        subscription.start(TYPE, OTHER)
        await until(lambda: handler.done == ["wh_3"])
        assert await pending(client) == await pending(client, own=True) == {}
        await pauses.erase(client, [KEYS], GROUP, TYPE)
        await apply(client, subscription.reader)
        await until(lambda: sorted(handler.done) == ["wh_1", "wh_2", "wh_3"])
        await until(lambda: settled(client))


async def test_a_pause_ends_a_blocking_read_and_entries_that_it_still_returns_stay_pending(client, redis_url):
    handler = Handler(is_open=True)
    await join(client)
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.start()
        await until(lambda: subscription.reader.silent_s() > 0)
        subscription.reader.streams.pause(frozenset({TYPE}))  # the pause has come, the read is still out
        await store(client, "wh_1")
        await until(lambda: pending(client))
        await subscription.reader.pause(frozenset({TYPE, OTHER}))
        await until(lambda: subscription.reader.silent_s() == 0)
        assert handler.began == []
        await subscription.reader.pause(frozenset())
        await until(lambda: handler.done == ["wh_1"])


async def test_g7_a_backlog_that_is_paused_while_a_read_is_out_stays_where_it_is(client, redis_url):
    """The reply of that read is as long as its COUNT: the reader must not read the stream again at once."""
    handler = Handler(is_open=True)
    await join(client, TYPE, OTHER)
    async with runtime(redis_url, client, handler.route("response.*", concurrency=8)) as subscription:
        subscription.start(TYPE, OTHER)
        await until(lambda: subscription.reader.silent_s() > 0)
        subscription.reader.streams.pause(frozenset({TYPE}))  # the pause has come, the read is still out
        async with client.pipeline() as backlog:
            for i in range(100):
                backlog.execute_command("XADD", KEYS.stream(TYPE), "*", *FIELDS, f"wh_{i}")
            await backlog.execute()
        await until(lambda: pending(client))
        await store(client, "wh_other", event_type=OTHER)
        await until(lambda: handler.done == ["wh_other"])
        await until(lambda: subscription.reader.silent_s() > 0.1)
        assert len(await pending(client)) == 4


async def test_running_deliveries_finish_during_a_pause(client, redis_url):
    handler = Handler()
    await join(client)
    await store(client, "wh_1")
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.start()
        await until(lambda: handler.began == ["wh_1"])
        await subscription.reader.pause(frozenset({TYPE}))
        handler.go()
        await until(lambda: handler.done == ["wh_1"])
        await until(lambda: settled(client))


async def test_pausing_twice_keeps_the_first_time_and_resuming_all_takes_every_pattern(client):
    shards = [Keys(0), Keys(1)]
    assert await pauses.write(client, shards, GROUP, "response.*") == ["response.*"]
    before = await pauses.fetch(client, shards, GROUP)
    assert await pauses.write(client, shards, GROUP, "response.*") == []
    assert await pauses.fetch(client, shards, GROUP) == before
    await pauses.write(client, shards, GROUP, pauses.ALL)
    assert await pauses.erase(client, shards, GROUP, pauses.ALL) == ["*", "response.*"]
    assert await pauses.fetch(client, shards, GROUP) == {}


async def test_a_pause_in_one_shard_only_is_shown_and_can_be_completed_or_resumed(client):
    shards = [Keys(0), Keys(1)]
    await pauses.write(client, shards[1:], GROUP, TYPE)
    assert list(await pauses.fetch(client, shards, GROUP)) == [TYPE]
    assert await pauses.write(client, shards, GROUP, TYPE) == [TYPE]
    assert await pauses.erase(client, shards, GROUP, TYPE) == [TYPE]


async def test_the_commands_print_their_effect_and_status_shows_it(client, redis_url):
    await create_groups(client, "billing")
    assert succeeded(redis_url, "pause", "billing", "batch.*") == (
        "billing: batch.* paused within two seconds; paused now: batch.*\n"
    )
    assert "paused: batch.*" in succeeded(redis_url, "status")
    assert objects(redis_url, "pause", "billing", "--json") == [
        {"group": "billing", "changed": ["*"], "closed": [], "paused": ["*", "batch.*"]}
    ]
    assert list(objects(redis_url, "status", "--json")[0]["groups"]["billing"]["paused"]) == ["*", "batch.*"]
    assert succeeded(redis_url, "resume", "billing", "batch.*").endswith("paused now: *\n")
    assert succeeded(redis_url, "resume", "billing").endswith("paused now: nothing\n")


async def test_a_resume_of_what_is_not_paused_is_an_error_that_names_what_is(client, redis_url):
    await create_groups(client, "billing")
    found = worker(redis_url, "resume", "billing")
    assert (found.returncode, found.stdout) == (1, b"")
    assert "* was neither paused nor suspended; paused now: nothing" in found.stderr.decode()
    [recorded] = objects(redis_url, "actions", "--json")
    assert (recorded["verb"], recorded["result"]) == ("resume", "failed")
    succeeded(redis_url, "pause", "billing", "batch.completed")
    found = worker(redis_url, "resume", "billing", "batch.complete", "--json")
    assert (found.returncode, found.stdout) == (1, b"")
    assert found.stderr.decode().endswith("paused now: batch.completed; did you mean batch.completed?\n")
    assert list(await pauses.fetch(client, [KEYS], "billing")) == ["batch.completed"]


@pytest.mark.parametrize(
    ("pattern", "held"),
    [("batch.*", "batch.*, batch.failed"), ("batch.completed", "batch.*"), ("mine.own", "mine.own")],
)
async def test_a_pause_names_the_subscriptions_that_it_holds(client, redis_url, pattern, held):
    await subscribe(client, "batch.*", "batch.failed", "mine.own")
    assert succeeded(redis_url, "pause", "billing", pattern).endswith(f"\nbilling: it holds {held}\n")


@pytest.mark.parametrize("command", ["pause", "resume"])
async def test_an_unknown_group_is_an_error_that_names_the_existing_groups(client, redis_url, command):
    await create_groups(client, "billing")
    found = worker(redis_url, command, "biling")
    assert found.returncode == 1
    assert b"billing" in found.stderr


@pytest.mark.parametrize(
    ("pattern", "near"),
    [
        ("batch.complted", "batch.completed"),
        ("respones.*", ""),
        ("bacth.*", "batch.*"),
        ("eval.run.failed", ""),
        ("x", ""),
    ],
)
async def test_a_pause_of_a_type_that_the_group_does_not_receive_is_refused_with_the_nearest_name(
    client, redis_url, pattern, near
):
    await subscribe(client, "batch.*", "mine.own")
    found = worker(redis_url, "pause", "billing", pattern)
    assert found.returncode == 1
    assert f"{pattern} matches no type that billing receives, so nothing was paused" in found.stderr.decode()
    assert not near or found.stderr.decode().endswith(f"did you mean {near}?\n")
    assert await pauses.fetch(client, [KEYS], "billing") == {}
    succeeded(redis_url, "pause", "billing", pattern, "--force")
    assert list(await pauses.fetch(client, [KEYS], "billing")) == [pattern]


@pytest.mark.parametrize("pattern", ["mine.own", "batch.*", "batch.completed", "batch.seen", "*"])
async def test_a_pause_of_a_documented_stored_or_subscribed_type_is_accepted(client, redis_url, pattern):
    await subscribe(client, "batch.*", "mine.own")
    await client.execute_command("SADD", KEYS.types, "batch.seen")
    succeeded(redis_url, "pause", "billing", pattern)


async def test_a_pattern_that_can_never_match_is_refused(client, redis_url):
    await create_groups(client, "billing")
    assert worker(redis_url, "pause", "billing", "*.failed").returncode == 2

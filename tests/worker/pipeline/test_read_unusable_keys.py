"""G7 for one stream: an unusable stream does not stop reads of the others, and is read again once it is usable."""

import pytest
from structlog.testing import capture_logs

from hookbus.shared.keys import listed_as
from hookbus.worker.pipeline import read
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, STREAM, TYPE, Handler, join, store
from tests.worker.subscriptions import runtime

BAD = "batch.failed"


async def spoil(client, stream: str) -> None:
    await client.execute_command("DEL", stream)
    await client.execute_command("SET", stream, "somebody's slip")
    if ":" in stream.removeprefix(KEYS.stream("")):
        await client.execute_command("SADD", KEYS.redeliveries, listed_as(stream.split(":")[-2], GROUP))


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(read, "RECHECK_S", 0.1)


@pytest.mark.parametrize("bad", [KEYS.stream(BAD), KEYS.redelivery(BAD, GROUP)])
async def test_g7_a_stream_that_is_bad_from_the_start_is_marked_unusable_and_logged(client, redis_url, bad):
    handler = Handler(is_open=True)
    await join(client, TYPE, BAD)
    await spoil(client, bad)
    with capture_logs() as logs:
        async with runtime(redis_url, client, handler.route("*")) as subscription:
            subscription.start(BAD, TYPE)
            await store(client, "wh_1")
            await until(lambda: handler.done == ["wh_1"])
            assert bad in subscription.unusable_keys
    assert [log["key"] for log in logs if log["event"] == "key_unusable"] == [bad]


async def test_g7_a_stream_that_goes_bad_while_it_is_read_ends_no_reading_of_the_others(client, redis_url):
    handler = Handler(is_open=True)
    await join(client, TYPE, BAD)
    async with runtime(redis_url, client, handler.route("*")) as subscription:
        subscription.start(BAD, TYPE)
        await store(client, "wh_1")
        await until(lambda: handler.done == ["wh_1"])
        await spoil(client, KEYS.stream(BAD))
        await store(client, "wh_2")
        await until(lambda: handler.done == ["wh_1", "wh_2"])
        await until(lambda: KEYS.stream(BAD) in subscription.unusable_keys)
        await store(client, "wh_3")
        await until(lambda: handler.done == ["wh_1", "wh_2", "wh_3"])


async def test_g7_a_stream_that_was_bad_is_read_again_by_itself(client, redis_url):
    handler = Handler(is_open=True)
    await join(client, TYPE, BAD)
    await spoil(client, KEYS.stream(BAD))
    with capture_logs() as logs:
        async with runtime(redis_url, client, handler.route("*")) as subscription:
            subscription.start(BAD, TYPE)
            await until(lambda: KEYS.stream(BAD) in subscription.unusable_keys)
            await client.execute_command("DEL", KEYS.stream(BAD))
            await store(client, "wh_1", event_type=BAD)
            await until(lambda: handler.done == ["wh_1"])
            assert not subscription.unusable_keys
    assert [log["key"] for log in logs if log["event"] == "key_usable_again"] == [KEYS.stream(BAD)]


async def test_g7_a_reader_of_a_single_unusable_stream_waits_until_it_is_repaired(client, redis_url):
    handler = Handler(is_open=True)
    await join(client)
    for stream in (STREAM, KEYS.redelivery(TYPE, GROUP)):
        await spoil(client, stream)
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.start()
        await until(lambda: len(subscription.unusable_keys) == 2)
        await client.execute_command("DEL", STREAM, KEYS.redelivery(TYPE, GROUP))
        await store(client, "wh_1")
        await until(lambda: handler.done == ["wh_1"])


async def test_a_group_that_cannot_be_created_on_one_stream_delays_no_other_stream(client, redis_url):
    """A group that cannot be created again, as with a key that the ACL excludes from XGROUP."""
    handler = Handler(is_open=True)
    await join(client)
    async with runtime(redis_url, client, handler.route("*")) as subscription:
        subscription.unusable_keys.add(
            KEYS.stream(BAD), "NOPERM"
        )  # as a join detects it; the group does not exist there

        async def refuse(types) -> None:
            subscription.losses.append(list(types))

        subscription.reader._own_pending._lost = refuse
        subscription.start(BAD, TYPE)
        subscription.unusable_keys.add(KEYS.redelivery(BAD, GROUP), "NOPERM")
        await store(client, "wh_1")
        await until(lambda: handler.done == ["wh_1"])
        assert subscription.losses[0] == [BAD]

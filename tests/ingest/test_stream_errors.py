"""One stream refuses events while others store them."""

import asyncio

import pytest
from structlog.testing import capture_logs

from hookbus.ingest.enqueue import RefusedError
from hookbus.ingest.stream_errors import StreamErrors
from hookbus.shared import metrics
from tests.ingest.serving import serving, signed
from tests.ingest.test_enqueue import SHARD, event, store_all, stored, storing
from tests.ingest.test_measures import sample

BAD, GOOD = "batch.failed", "response.completed"
LAST_ID = f"{2**64 - 1}-{2**64 - 1}"
BREAKS = {
    "another_type": [("SET", SHARD.stream(BAD), "somebody else's")],
    "a_hash": [("HSET", SHARD.stream(BAD), "a", "b")],
    "ids_used_up": [("XADD", SHARD.stream(BAD), LAST_ID, "a", "b")],
    "ids_used_up_and_empty": [
        ("XADD", SHARD.stream(BAD), LAST_ID, "a", "b"),
        ("XDEL", SHARD.stream(BAD), LAST_ID),
    ],
}


@pytest.mark.parametrize("name", BREAKS)
async def test_g7_a_bad_stream_refuses_its_own_events_and_no_other(client, redis_url, name):
    for command in BREAKS[name]:
        await client.execute_command(*command)
    events = [event(event_type=BAD if i % 3 == 0 else GOOD) for i in range(60)]
    before = sample("stream_errors_total", type=BAD)
    with capture_logs() as logs:
        async with storing(redis_url, batch_size=16) as queue:
            answers = await store_all(queue, events)
            assert queue.redis_health.fault is None
    refused = [answer for answer, sent in zip(answers, events, strict=True) if sent.event_type == BAD]
    assert {answer.code for answer in refused} == {"queue_unavailable"}
    assert all(SHARD.stream(BAD) in str(answer) for answer in refused)
    assert [answer for answer, sent in zip(answers, events, strict=True) if sent.event_type == GOOD] == [True] * 40
    assert len(await stored(client, GOOD)) == 40
    assert {(entry["event"], entry["type"], entry["key"]) for entry in logs} == {
        ("stream_failed", BAD, SHARD.stream(BAD))
    }
    assert sample("stream_errors_total", type=BAD) - before == 20


async def test_each_event_gets_the_error_of_its_own_stream(client, redis_url):
    await client.execute_command("SET", SHARD.stream("a"), "somebody else's")
    await client.execute_command("XADD", SHARD.stream("b"), LAST_ID, "a", "b")
    async with storing(redis_url) as queue:
        first, second, third = await store_all(queue, [event(event_type=name) for name in ("b", "c", "a")])
    assert ("exhausted" in str(first), second, "WRONGTYPE" in str(third)) == (True, True, True)


async def test_g7_an_event_that_a_bad_stream_refused_is_stored_once_by_a_retry_after_the_repair(client, redis_url):
    await client.execute_command("SET", SHARD.stream(BAD), "somebody else's")
    received = event(event_type=BAD)
    async with storing(redis_url) as queue:
        answers = await store_all(queue, [received, received, event()])
        assert [type(answer) for answer in answers] == [RefusedError, RefusedError, bool]
        await client.execute_command("DEL", SHARD.stream(BAD))
        assert await store_all(queue, [received, received]) == [True, False]
    assert len(await stored(client, BAD)) == 1


async def test_g7_a_stream_that_our_user_may_not_write_to_fails_alone(own_server):
    with own_server.client() as admin:
        keys = [f"~{SHARD.types}", f"~{SHARD.seen(0)[:-1]}*", f"~{SHARD.stream('response.')}*"]
        admin.execute_command("ACL", "SETUSER", "narrow", "on", ">pw", "+@all", *keys)
    url = own_server.url.replace("://", "://narrow:pw@")
    async with storing(url) as queue:
        answers = await store_all(queue, [event(event_type=name) for name in (GOOD, BAD, "response.failed", BAD)])
        assert queue.redis_health.fault is None
    assert [answer is True for answer in answers] == [True, False, True, False]
    assert {answer.code for answer in answers if answer is not True} == {"queue_unavailable"}


async def test_an_error_of_a_set_that_every_event_needs_makes_the_server_suspect(client, redis_url):
    await client.execute_command("SET", SHARD.types, "somebody else's")
    async with storing(redis_url) as queue:
        answers = await store_all(queue, [event(), event(event_type=BAD)])
        assert {answer.code for answer in answers} == {"queue_unavailable"}
        assert queue.redis_health.fault is not None


async def test_g7_over_http_others_are_accepted_while_one_stream_is_bad(client, redis_url):
    await client.execute_command("SET", SHARD.stream(BAD), "somebody else's")
    async with serving(redis_url) as ingest:
        posts = [ingest.execute(signed(BAD if i % 2 else GOOD)) for i in range(40)]
        statuses = [status for status, _ in await asyncio.gather(*posts)]
        assert statuses == [200, 503] * 20
        assert len(ingest.logged("redis_unhealthy")) == 0
        assert ingest.logged("stream_failed")


def test_an_undocumented_type_is_counted_as_other():
    before = sample("stream_errors_total", type=metrics.OTHER)
    StreamErrors(SHARD).record("made.up", ValueError("no"), 3)
    assert sample("stream_errors_total", type=metrics.OTHER) - before == 3

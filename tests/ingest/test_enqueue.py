"""Group commit against a real server. Days and hours are the test's own: the queue takes time as an argument."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable

import pytest

from hookbus.ingest.commit import Received
from hookbus.ingest.enqueue import Queue, RefusedError
from hookbus.ingest.redis_health import RedisHealth
from hookbus.shared import entry, keys
from hookbus.shared.connection import connect
from hookbus.shared.dedupe import DAY_MS
from hookbus.shared.fault import Fault
from hookbus.shared.raw_connection import RawConnection
from tests.wait import until

SHARD = keys.Keys(0)
DAY = 20_000
"""A day of the tests; seven o'clock on it is DAY * DAY_MS + 7 * HOUR_MS."""
HOUR_MS = 3_600_000
NOON = DAY * DAY_MS + 12 * HOUR_MS
TYPE = "response.completed"
_numbers = itertools.count()


def event(webhook_id: str = "", at_ms: int = NOON, event_type: str = TYPE, source: str = "openai") -> Received:
    return Received(event_type, webhook_id or f"wh_fresh_{next(_numbers)}", source, at_ms, b"{}")


@contextlib.asynccontextmanager
async def storing(url: str, *, reply_timeout_s: float = 5, **options: int) -> AsyncIterator[Queue]:
    """A running queue, over a server that is assumed to be healthy."""
    connection = RawConnection(connect(url, "tests:queue", reply_timeout_s=reply_timeout_s))
    redis_health = RedisHealth("memory", 1, unsafe=False)
    redis_health.fault = None
    queue = Queue(connection, 0, redis_health, **({"days": 5, "batch_size": 256, "max_waiting": 10_000} | options))
    queue.redis_health = redis_health  # for tests that make it unhealthy
    task = asyncio.create_task(queue.run())
    try:
        yield queue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await connection.aclose()


@pytest.fixture
async def queue(redis_url) -> AsyncIterator[Queue]:
    async with storing(redis_url) as queue:
        yield queue


async def stored(client, event_type: str = TYPE) -> list[entry.Entry]:
    return [
        entry.parse(fields) for _, fields in await client.execute_command("XRANGE", SHARD.stream(event_type), "-", "+")
    ]


async def calls(client, command: str) -> int:
    lines = (await client.execute_command("INFO", "commandstats")).decode().splitlines()
    (line,) = [line for line in lines if line.startswith(f"cmdstat_{command}:")] or ["x=0,"]
    return int(line.partition("=")[2].partition(",")[0])


async def store_all(queue: Queue, events: Iterable[Received]) -> list[bool | RefusedError]:
    return await asyncio.gather(*(queue.store(event) for event in events), return_exceptions=True)


async def refused(queue: Queue, received: Received) -> str:
    with pytest.raises(RefusedError) as caught:
        await queue.store(received)
    return caught.value.code


async def test_an_event_is_stored_with_all_its_fields(queue, client):
    received = Received(TYPE, "wh_1", "org", NOON, b"\x00\xff body \r\n", "00-trace")
    assert await queue.store(received)
    assert await stored(client) == [entry.Entry("wh_1", "org", NOON, b"\x00\xff body \r\n", "00-trace")]
    assert await client.execute_command("SMEMBERS", SHARD.types) == [TYPE.encode()]
    assert await client.execute_command("SMEMBERS", SHARD.seen(DAY)) == [received.digest()]
    assert len(received.digest()) == 16


async def test_events_of_a_batch_go_to_the_streams_of_their_types_in_order(queue, client):
    events = [event(event_type=name) for name in ("a", "b", "a", "c", "b")]
    assert await store_all(queue, events) == [True] * 5
    for name in ("a", "b", "c"):
        of_type = [received.webhook_id for received in events if received.event_type == name]
        assert [entry.webhook_id for entry in await stored(client, name)] == of_type
    assert set(await client.execute_command("SMEMBERS", SHARD.types)) == {b"a", b"b", b"c"}


async def test_many_events_share_a_call(queue, client):
    await store_all(queue, [event() for _ in range(500)])
    assert await calls(client, "evalsha") < 20
    assert len(await stored(client)) == 500


async def test_g1_a_duplicate_is_not_stored_again(queue, client):
    received = event()
    assert [await queue.store(received) for _ in range(3)] == [True, False, False]
    assert len(await stored(client)) == 1


async def test_g1_a_duplicate_in_the_same_batch_is_not_stored(queue, client):
    received = event()
    other = event()
    assert await store_all(queue, [received, other, received, received]) == [True, True, False, False]
    assert len(await stored(client)) == 2


async def test_the_same_webhook_id_from_two_sources_is_two_events(queue, client):
    assert await queue.store(event("wh_1", source="openai"))
    assert await queue.store(event("wh_1", source="org"))
    assert len(await stored(client)) == 2


@pytest.mark.parametrize("hour", [0, 6, 12, 18, 23.999])
async def test_g1_a_duplicate_is_detected_for_96_hours(queue, client, hour):
    at_ms = DAY * DAY_MS + int(hour * HOUR_MS)
    assert await queue.store(event("wh_1", at_ms))
    for later in range(1, 97):
        # Other events keep coming, and with them the removal of expired days.
        new, old = await store_all(
            queue, [event(at_ms=at_ms + later * HOUR_MS), event("wh_1", at_ms + later * HOUR_MS)]
        )
        assert (new, old) == (True, False), later
    assert [entry.webhook_id for entry in await stored(client)].count("wh_1") == 1


async def test_g1_clocks_that_disagree_around_midnight_store_nothing_twice(queue, client):
    midnight = (DAY + 1) * DAY_MS
    assert await queue.store(event("wh_1", midnight + 5))
    assert not await queue.store(event("wh_1", midnight - 5))  # a process whose clock is behind
    assert not await queue.store(event("wh_1", midnight + 10))
    assert len(await stored(client)) == 1


async def test_a_day_set_is_deleted_after_the_window(queue, client):
    await queue.store(event("wh_1", NOON))
    assert await client.execute_command("EXISTS", SHARD.seen(DAY)) == 1
    await queue.store(event(at_ms=NOON + 5 * DAY_MS))
    assert await client.execute_command("EXISTS", SHARD.seen(DAY)) == 0
    assert await queue.store(event("wh_1", NOON + 5 * DAY_MS))


async def test_a_day_set_expires_even_if_no_more_events_arrive(queue, client):
    await queue.store(event())
    ttl_s = await client.execute_command("TTL", SHARD.seen(DAY))
    assert 5 * 86_400 <= ttl_s <= 6 * 86_400
    await client.execute_command("EXPIRE", SHARD.seen(DAY), 1000)
    await queue.store(event())
    assert await client.execute_command("TTL", SHARD.seen(DAY)) <= 1000  # not extended by traffic


async def test_only_keys_of_the_layout_are_written(queue, client):
    await queue.store(event())
    written = {key.decode() for key in await client.execute_command("KEYS", "*")}
    assert written == {SHARD.stream(TYPE), SHARD.types, SHARD.seen(DAY)}


async def test_the_queue_survives_script_flush(queue, client):
    assert await queue.store(event())
    await client.execute_command("SCRIPT", "FLUSH")
    assert await queue.store(event())


async def test_g3_out_of_memory_is_overloaded_and_nothing_counts_as_seen(redis_url, client):
    received = event()
    async with storing(redis_url) as queue:
        await client.execute_command("CONFIG", "SET", "maxmemory", "1")
        assert await refused(queue, received) == "overloaded"
        await client.execute_command("CONFIG", "SET", "maxmemory", "0")
        queue.redis_health.fault = None
        assert await queue.store(received)


async def test_while_unhealthy_nothing_is_sent_to_redis(queue, client):
    await queue.store(event())
    before = await calls(client, "evalsha")
    queue.redis_health.fault = Fault("not_durable", "no file")
    assert await refused(queue, event()) == "not_durable"
    assert await calls(client, "evalsha") == before


async def test_a_failed_commit_refuses_its_batch_and_all_waiting_events_and_makes_redis_suspect(own_server):
    async with storing(own_server.url, batch_size=10) as queue:
        own_server.stop()
        answers = await store_all(queue, [event() for _ in range(50)])
        assert {answer.code for answer in answers} == {"queue_unavailable"}
        assert queue.redis_health.fault is not None


async def test_more_than_max_waiting_is_overloaded(redis_url):
    async with storing(redis_url, max_waiting=3) as queue:
        answers = await store_all(queue, [event() for _ in range(5)])
        assert answers[:3] == [True] * 3
        assert [answer.code for answer in answers[3:]] == ["overloaded"] * 2


async def test_a_cancelled_request_disturbs_no_other(queue, client):
    cancelled = asyncio.create_task(queue.store(event("wh_gone")))
    await asyncio.sleep(0)
    cancelled.cancel()
    assert await queue.store(event("wh_stays"))
    assert {entry.webhook_id for entry in await stored(client)} == {"wh_gone", "wh_stays"}


async def test_g1_a_lost_reply_is_refused_and_a_retry_stores_the_event_once(own_server):
    received = event()
    client = connect(own_server.url, "tests")
    async with storing(own_server.url, reply_timeout_s=0.2) as queue:
        await queue.store(event())
        await client.execute_command("CLIENT", "PAUSE", 400, "WRITE")  # the server replies after our timeout
        assert await refused(queue, received) == "queue_unavailable"
        await client.execute_command("CLIENT", "UNPAUSE")
        queue.redis_health.fault = None
        await queue.store(received)
        assert [entry.webhook_id for entry in await stored(client)].count(received.webhook_id) == 1
    await client.aclose()


async def test_g1_a_killed_redis_has_every_accepted_event_and_none_in_the_dedupe_that_is_not_stored(own_server):
    events = [event() for _ in range(3000)]
    async with storing(own_server.url, batch_size=16) as queue:
        waves = [asyncio.create_task(queue.store(received)) for received in events]
        await until(lambda: sum(task.done() for task in waves) > 200)
        own_server.stop(9)
        answers = await asyncio.gather(*waves, return_exceptions=True)
    own_server.start()
    client = connect(own_server.url, "tests")
    by_id = {received.webhook_id: received for received in events}
    stored_ids = [entry.webhook_id for entry in await stored(client)]
    accepted = {received.webhook_id for received, answer in zip(events, answers, strict=True) if answer is True}
    assert 200 < len(accepted) < len(events)
    assert accepted <= set(stored_ids)
    assert len(stored_ids) == len(set(stored_ids))
    digests = set(await client.execute_command("SMEMBERS", SHARD.seen(DAY)))
    assert digests == {by_id[webhook_id].digest() for webhook_id in stored_ids}
    async with storing(own_server.url) as queue:  # the sender retries all of them
        retried = await store_all(queue, events)
    duplicates = [received for received, answer in zip(events, retried, strict=True) if not answer]
    assert duplicates == [by_id[webhook_id] for webhook_id in stored_ids]
    assert sorted(entry.webhook_id for entry in await stored(client)) == sorted(by_id)
    await client.aclose()

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from hookbus.shared.clock import now_ms
from hookbus.worker.duties.membership import BATCH, Membership
from hookbus.worker.pipeline import metrics
from hookbus.worker.pipeline.unusable_keys import UnusableKeys
from tests.worker.builders import (
    GROUP,
    KEYS,
    OWN_STREAM,
    STREAM,
    TYPE,
    a_membership,
    commandstats,
    store,
    take,
)


def membership(client, start="earliest") -> Membership:
    return a_membership(client, KEYS, GROUP, start)


async def handled_from(client) -> list[str]:
    return [in_flight.delivery.webhook_id for in_flight in await take(client, "me")]


async def start_of(client) -> bytes:
    return await client.execute_command("HGET", KEYS.groups, GROUP)


def losses() -> float:
    return metrics.LOSSES.labels(GROUP)._value.get()


async def test_joining_creates_the_group_on_the_streams_of_events(client):
    await membership(client).join([TYPE, "a.b"])
    for stream in (STREAM, KEYS.stream("a.b")):
        ((_, name, *_),) = await client.execute_command("XINFO", "GROUPS", stream)
        assert name == GROUP.encode()
    assert await client.execute_command("EXISTS", OWN_STREAM) == 0


async def test_earliest_delivers_all_stored_events(client):
    await store(client, "wh_1", "wh_2")
    await membership(client).join([TYPE])
    assert await handled_from(client) == ["wh_1", "wh_2"]


async def test_latest_delivers_only_later_events(client):
    await store(client, "wh_1", entry_id=f"{now_ms() - 1000}-0")
    await membership(client, "latest").join([TYPE])
    await store(client, "wh_2")
    assert await handled_from(client) == ["wh_2"]


async def test_latest_skips_events_stored_by_a_clock_that_was_ahead_and_delivers_all_later_ones(client):
    ahead_ms = now_ms() + 3_600_000
    await store(client, "wh_old", entry_id=f"{ahead_ms}-0")
    await store(client, "wh_old_too", event_type="a.b", entry_id=f"{ahead_ms}-0")
    first = membership(client, "latest")
    await first.join([TYPE])
    await store(client, "wh_new")
    assert await handled_from(client) == ["wh_new"]
    # A type that is joined later: the group receives the events stored in between, rather one too many.
    await store(client, "wh_new_too", event_type="a.b")
    await first.join(["a.b"])
    reply = await client.execute_command("XREADGROUP", "GROUP", GROUP, "me", "STREAMS", KEYS.stream("a.b"), ">")
    assert [fields[1] for _, fields in reply[0][1]] == [b"wh_old_too", b"wh_new_too"]


async def test_latest_delivers_all_events_of_the_millisecond_of_the_groups_creation(client):
    await membership(client, "latest").join([TYPE])
    born_ms = int((await start_of(client)).partition(b"-")[0]) + 1
    await store(client, "wh_1", entry_id=f"{born_ms}-0")
    assert await handled_from(client) == ["wh_1"]


@pytest.mark.parametrize(
    ("since_ms", "expected"),
    [(0, ["a", "b", "c", "d"]), (5_000, ["a", "b", "c", "d"]), (5_001, ["b", "c", "d"]), (7_000, ["d"]), (7_001, [])],
)
async def test_a_datetime_delivers_events_from_that_millisecond_on(client, since_ms, expected):
    for name, entry_id in (("a", "5000-0"), ("b", "6000-0"), ("c", "6000-1"), ("d", "7000-0")):
        await store(client, name, entry_id=entry_id)
    since = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=since_ms)
    await membership(client, since).join([TYPE])
    assert await handled_from(client) == expected


async def test_a_datetime_before_1970_is_the_beginning(client):
    await store(client, "wh_1")
    await membership(client, datetime(1, 1, 1, tzinfo=UTC)).join([TYPE])
    assert await handled_from(client) == ["wh_1"]


async def test_a_group_is_created_once_and_keeps_its_start(client):
    await membership(client, "latest").join([TYPE])
    created_at = await start_of(client)
    for start in ("earliest", "latest", datetime.now(UTC)):
        await membership(client, start).join([TYPE, "a.b"])
    assert await start_of(client) == created_at


async def test_types_that_appear_later_start_at_the_start_of_the_group(client):
    first = membership(client, "latest")
    await first.join([TYPE])
    await store(client, "wh_new", event_type="a.b")
    await membership(client, "latest").join(["a.b"])
    reply = await client.execute_command("XREADGROUP", "GROUP", GROUP, "me", "STREAMS", KEYS.stream("a.b"), ">")
    assert len(reply[0][1]) == 1


async def test_g3_a_full_redis_prevents_no_group_from_joining(client):
    await client.execute_command("CONFIG", "SET", "maxmemory", 1)
    await membership(client).join([TYPE, "new.type"])
    assert len(await client.execute_command("XINFO", "GROUPS", KEYS.stream("new.type"))) == 1


async def test_patterns_are_published_again_when_they_change_even_without_memory(client):
    async def published() -> bytes:
        return await client.execute_command("HGET", KEYS.patterns, GROUP)

    await a_membership(client, KEYS, GROUP, "earliest", ["b.*", "a.b"]).join(["a.b"])
    assert await published() == b"a.b b.*"
    await a_membership(client, KEYS, GROUP, "earliest", ["a.b"]).join(["a.b"])
    assert await published() == b"a.b"
    await client.execute_command("CONFIG", "SET", "maxmemory", 1)
    await a_membership(client, KEYS, GROUP, "earliest", ["a.b", "*"]).join(["a.b"])
    assert await published() == b"* a.b"


async def test_patterns_of_a_newer_worker_are_kept_when_an_older_one_discovers_a_type(client):
    older = a_membership(client, KEYS, GROUP, "earliest", ["a.*"])
    await older.join(["a.b"])
    await a_membership(client, KEYS, GROUP, "earliest", ["*"]).join(["a.b"])
    await older.join(["a.c"])
    assert await client.execute_command("HGET", KEYS.patterns, GROUP) == b"*"
    await client.execute_command("DEL", KEYS.patterns)
    await older.join(["a.b"])
    assert await client.execute_command("HGET", KEYS.patterns, GROUP) == b"a.*"


async def test_joining_again_changes_nothing_and_many_may_join_at_once(client):
    await store(client, "wh_1", "wh_2")
    await asyncio.gather(*(membership(client).join([TYPE]) for _ in range(5)))
    assert await handled_from(client) == ["wh_1", "wh_2"]
    before = losses()
    second = membership(client)
    for _ in range(2):
        await second.join([TYPE])
    assert await handled_from(client) == []
    assert losses() == before


async def test_a_vanished_group_is_recreated_at_its_start_and_reported_as_data_loss(client):
    member = membership(client)
    await store(client, "wh_1")
    await member.join([TYPE, "a.b"])
    assert await handled_from(client) == ["wh_1"]
    await client.execute_command("XGROUP", "DESTROY", STREAM, GROUP)
    before = losses()
    with structlog.testing.capture_logs() as logs:
        await member.join([TYPE, "a.b"])
    assert await handled_from(client) == ["wh_1"]
    (log,) = logs
    assert (log["event"], log["log_level"], log["group"], log["types"]) == ("data_loss", "error", GROUP, [TYPE])
    assert losses() == before + 1
    assert await client.execute_command("HGET", KEYS.losses, GROUP) == b"1"


async def test_a_flushed_redis_is_joined_again_at_the_original_start(client):
    member = membership(client, "latest")
    await member.join([TYPE])
    born = await start_of(client)
    await client.execute_command("FLUSHALL")
    await member.join([TYPE])
    assert await start_of(client) == born
    await store(client, "wh_1")
    assert await handled_from(client) == ["wh_1"]


async def test_g7_a_stream_that_cannot_be_joined_is_marked_unusable_and_the_others_are_joined(client):
    bad = KEYS.stream("b.c")
    await client.execute_command("SET", bad, "no stream")
    unusable_keys = UnusableKeys()
    with capture_logs() as logs:
        await a_membership(client, KEYS, GROUP, "earliest", unusable_keys=unusable_keys).join(["a.b", "b.c", TYPE])
    assert bad in unusable_keys
    assert len(unusable_keys) == 1
    [line] = [log for log in logs if log["event"] == "key_unusable"]
    assert line["key"] == bad
    assert "wrong kind of value" in line["reason"]
    for name in ("a.b", TYPE):
        assert len(await client.execute_command("XINFO", "GROUPS", KEYS.stream(name))) == 1


async def test_a_consumer_group_that_could_not_be_created_at_first_is_no_data_loss_later(client):
    await client.execute_command("SET", STREAM, "no stream")
    joining = membership(client)
    await joining.join([TYPE])
    await client.execute_command("DEL", STREAM)
    with capture_logs() as logs:
        await joining.join([TYPE])
    assert [log["event"] for log in logs if log["event"] == "data_loss"] == []


async def test_a_refusal_of_the_server_is_raised(client):
    await client.execute_command("SET", KEYS.groups, "no hash")
    with pytest.raises(ResponseError, match="wrong kind of value"):
        await membership(client).join([TYPE])


async def test_many_types_are_joined_in_batches(client):
    types = [f"order.{i}" for i in range(2 * BATCH + 1)]
    await membership(client).join(types)
    assert (await commandstats(client))["evalsha"] == 3 + 1  # one call found the script missing
    assert len(await client.execute_command("KEYS", f"{KEYS.stream('order.')}*")) == len(types)

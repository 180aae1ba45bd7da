import asyncio

import pytest

from hookbus.shared import scripts
from hookbus.shared.command import FailedError
from hookbus.shared.keys import Keys, shard_of
from hookbus.worker.groups import history
from hookbus.worker.groups.history import EventFilter, History
from hookbus.worker.inventory import registry
from hookbus.worker.pipeline.outcome import Cause, DeadLetter, Park
from hookbus.worker.pipeline.pending_outcome import PendingOutcome
from hookbus.worker.pipeline.slots import Slots
from tests.programs import event_body
from tests.worker.builders import GROUP, KEYS, STREAM, TYPE, take
from tests.worker.dead_letters import subscribe
from tests.worker.retained_events import AT_MS, hand_out, retain


async def fetch(client, *, group: str = GROUP, **criteria) -> History:
    return await history.fetch(client, await registry.shards(client, 1), group, EventFilter(**criteria))


async def names_in(past_events: History, max_events: int = 100) -> list[str]:
    return [event.entry.webhook_id async for batch in past_events.batches(max_events) for event in batch]


def names(count: int, prefix: str = "wh") -> list[str]:
    return [f"{prefix}_{i}" for i in range(count)]


async def test_a_snapshot_holds_every_event_delivered_to_the_group_handled_or_not_and_no_other(client):
    await subscribe(client)
    await retain(client, "acked", "parked", "dead", "in_flight")
    await client.execute_command("XGROUP", "CREATE", STREAM, GROUP, "0")
    acked, parked, dead, _ = await take(client, "me")
    await client.execute_command("XACK", STREAM, GROUP, acked.entry_id)
    for in_flight, outcome in ((parked, Park(60, Cause("E", ""))), (dead, DeadLetter("rejected", Cause("E", "")))):
        call = PendingOutcome(in_flight, outcome, Slots(1), 0, 0).call("me")
        assert await scripts.run(client, call) == 1
    await retain(client, "to_come", at_ms=AT_MS + 1000)
    assert await names_in(await fetch(client)) == ["acked", "parked", "dead", "in_flight"]


async def test_events_stored_and_delivered_after_the_snapshot_are_not_in_it(client):
    await subscribe(client)
    await retain(client, *names(30))
    await hand_out(client)
    past_events = await fetch(client)
    names_read = []
    async for batch in past_events.batches(7):
        names_read += [event.entry.webhook_id for event in batch]
        await retain(client, f"live_{len(names_read)}", at_ms=AT_MS + 1000 + len(names_read))
        await hand_out(client)
    assert names_read == names(30)
    assert (await past_events.count()).types == {TYPE: 30}


@pytest.mark.parametrize("shards", [1, 3])
async def test_events_come_oldest_first_over_all_types_and_shards(client, shards):
    await subscribe(client, shards=shards)
    for i in range(60):
        kind = ("batch.completed", TYPE, "never.heard.of")[i % 3]
        await retain(client, f"wh_{i}", event_type=kind, at_ms=AT_MS + i, shards=shards)
    types = ("batch.completed", TYPE, "never.heard.of")
    await hand_out(client, *types, shards=shards)
    past_events = await fetch(client)
    assert await names_in(past_events, 7) == names(60)
    assert (await past_events.count()).types == dict.fromkeys(types, 20)


async def test_a_stream_longer_than_the_read_ahead_is_read_to_its_end(client):
    count = 2 * history.AHEAD + 1
    await subscribe(client)
    await retain(client, *names(count), step_ms=0)
    await hand_out(client)
    assert await names_in(await fetch(client)) == names(count)


async def test_times_are_those_of_storage_and_both_ends_are_included(client):
    await subscribe(client)
    await retain(client, *names(10))
    await hand_out(client)
    past_events = await fetch(client, since_ms=AT_MS + 3, until_ms=AT_MS + 6)
    assert await names_in(past_events) == ["wh_3", "wh_4", "wh_5", "wh_6"]
    assert (await past_events.count()).newest_ms == AT_MS + 6
    assert await names_in(await fetch(client, since_ms=AT_MS + 10)) == []


async def test_events_with_ids_in_the_future_are_selected_by_the_time_ingest_received_them(client):
    """Redis' clock was an hour ahead; after it was corrected, ids continue from the last one."""
    await subscribe(client)
    now = await registry.now_ms(client)
    future = now + 3_600_000
    for name, entry_id, at_ms in (
        ("before", f"{now - 9000}-0", now - 9000),
        ("while_ahead", f"{future}-0", future),
        ("lately", f"{future}-1", now - 3000),
        ("just_now", f"{future}-2", now - 1000),
    ):
        await client.execute_command(
            "XADD",
            STREAM,
            entry_id,
            "id",
            name,
            "src",
            "openai",
            "at",
            at_ms,
            "body",
            event_body(TYPE),
        )
    await client.execute_command("SADD", KEYS.types, TYPE)
    await hand_out(client)
    assert await names_in(await fetch(client, until_ms=now)) == ["before", "lately", "just_now"]
    assert await names_in(await fetch(client, since_ms=now - 5000, until_ms=now - 2000)) == ["lately"]
    assert (await fetch(client)).has_future
    assert (await (await fetch(client, until_ms=now)).count()).newest_ms == now - 1000


@pytest.mark.parametrize(
    ("subscribed", "selected", "expected"),
    [
        (("*",), (), {TYPE, "response.failed", "batch.failed"}),
        (("response.*",), (), {TYPE, "response.failed"}),
        (("response.*", "batch.failed"), ("*",), {TYPE, "response.failed", "batch.failed"}),
        (("*",), ("response.*",), {TYPE, "response.failed"}),
        ((TYPE,), ("response.*",), {TYPE}),
        (("response.*",), ("response.failed", "response.cancelled"), {"response.failed"}),
        (("*",), ("batch.*", TYPE), {"batch.failed", TYPE}),
        (("*", "hookbus.own"), (), {TYPE, "response.failed", "batch.failed", "hookbus.own"}),
        (("hookbus.own",), ("hookbus.*",), {"hookbus.own"}),
    ],
)
async def test_only_types_that_the_group_subscribes_to_are_in_it(client, subscribed, selected, expected):
    await subscribe(client, *subscribed)
    types = (TYPE, "response.failed", "batch.failed", "hookbus.own")
    for kind in types:
        await retain(client, "wh_1", event_type=kind)
    await hand_out(client, *types)
    assert {stream_range.type for stream_range in (await fetch(client, types=selected)).stream_ranges} == expected


@pytest.mark.parametrize(("types", "meant"), [
    ("batch.failed", ""),
    ("batch.*", ""),
    ("responses.*", "; did you mean response.*?"),
    ("response", "; did you mean response.*?"),
])  # fmt: skip
async def test_types_that_the_group_does_not_subscribe_to_are_refused_by_name(client, types, meant):
    await subscribe(client, "response.*", "fine.tuning")
    await retain(client, "wh_1", event_type="batch.failed")
    await hand_out(client, "batch.failed")
    with pytest.raises(FailedError) as refused:
        await fetch(client, types=("response.failed", types))
    assert str(refused.value) == (
        f"group billing does not subscribe to {types}; it subscribes to: fine.tuning, response.*{meant}"
    )


@pytest.mark.parametrize("types", ["hookbus.own", "hookbus.*"])
async def test_a_wildcard_subscribes_to_no_type_of_hookbuss_own(client, types):
    await subscribe(client)
    with pytest.raises(FailedError, match="does not subscribe to hookbus"):
        await fetch(client, types=(types,))


async def test_a_group_without_published_patterns_counts_as_subscribed_to_the_streams_it_joined(client):
    await subscribe(client)
    await client.execute_command("DEL", KEYS.patterns)
    for kind in (TYPE, "batch.failed"):
        await retain(client, f"wh_{kind}", event_type=kind)
    await hand_out(client)
    assert await names_in(await fetch(client)) == [f"wh_{TYPE}"]
    with pytest.raises(FailedError, match=f"to batch.failed; it subscribes to: {TYPE}"):
        await fetch(client, types=("batch.failed",))


async def test_a_group_that_started_later_can_replay_events_before_its_start(client):
    await subscribe(client)
    await retain(client, *names(10))
    start = f"{AT_MS + 5}-0"
    await client.execute_command("HSET", KEYS.groups, GROUP, start)
    # Before any worker joined the stream, and after.
    assert await names_in(await fetch(client)) == names(6)
    await client.execute_command("XGROUP", "CREATE", STREAM, GROUP, start)
    assert await names_in(await fetch(client)) == names(6)


async def test_named_events_are_read_from_their_shards_only(client):
    await subscribe(client, shards=3)
    await retain(client, *names(30), shards=3)
    await hand_out(client, shards=3)
    past_events = await fetch(client, names=("wh_7", "wh_8", "wh_x"))
    hit = {Keys(shard_of(name, 3)) for name in ("wh_7", "wh_8", "wh_x")}
    assert {stream_range.keys for stream_range in past_events.stream_ranges} == hit
    assert await names_in(past_events) == ["wh_7", "wh_8"]
    assert (await past_events.count()).names == {"wh_7", "wh_8"}


@pytest.mark.parametrize(
    ("max_events", "limit", "sizes"), [(4, 10**6, [4, 4, 2]), (4, 250, [2] * 5), (4, 10, [1] * 10)]
)
async def test_batches_are_bounded_by_number_and_by_bytes(client, monkeypatch, max_events, limit, sizes):
    monkeypatch.setattr(history, "BATCH_BYTES", limit)
    await subscribe(client)
    await retain(client, *names(10))  # bodies of 111 bytes
    await hand_out(client)
    assert [len(batch) async for batch in (await fetch(client)).batches(max_events)] == sizes


async def test_entries_not_written_by_hookbus_are_left_out_and_counted(client):
    await subscribe(client)
    await retain(client, "wh_1")
    await client.execute_command("XADD", STREAM, f"{AT_MS + 1}-0", "by", "hand")
    await retain(client, "wh_2", at_ms=AT_MS + 2)
    await hand_out(client)
    past_events = await fetch(client)
    assert await names_in(past_events) == ["wh_1", "wh_2"]
    assert (await past_events.count()).unreadable == 1


async def test_events_trimmed_meanwhile_are_missing_and_the_others_are_read(client):
    await subscribe(client)
    await retain(client, *names(3 * history.AHEAD))
    await hand_out(client)
    walk = (await fetch(client)).batches(10)
    assert len(await anext(walk)) == 10
    await client.execute_command("XTRIM", STREAM, "MINID", f"{AT_MS + 2 * history.AHEAD}-0")
    names_read = [event.entry.webhook_id async for batch in walk for event in batch]
    assert names_read[-history.AHEAD :] == names(3 * history.AHEAD)[-history.AHEAD :]
    assert len(names_read) == 2 * history.AHEAD - 10


async def test_an_empty_redis_has_no_history(client):
    await subscribe(client)
    past_events = await fetch(client)
    assert (past_events.stream_ranges, await names_in(past_events), (await past_events.count()).types.total()) == (
        [],
        [],
        0,
    )


async def test_snapshots_and_counts_change_nothing(client):
    await subscribe(client)
    await retain(client, *names(5))
    await hand_out(client)
    before = await asyncio.gather(*(client.execute_command("DUMP", key) for key in (STREAM, KEYS.types, KEYS.groups)))
    await (await fetch(client)).count()
    after = await asyncio.gather(*(client.execute_command("DUMP", key) for key in (STREAM, KEYS.types, KEYS.groups)))
    assert before == after
    assert await client.execute_command("KEYS", f"{STREAM}:*") == []

"""A redelivery stream exists, and is listed, while it holds something."""

import time

import pytest
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from hookbus import App, RetryLater
from hookbus.shared import scripts
from hookbus.shared.clock import now_ms
from hookbus.worker.dlq.filter import Filter
from hookbus.worker.dlq.moves import remove_letter
from hookbus.worker.dlq.query import DeadLetters
from hookbus.worker.duties import look
from hookbus.worker.duties.promote import Promoter
from hookbus.worker.inventory.redeliveries import relist
from hookbus.worker.pipeline.outcome import Ack, Cause, DeadLetter, Park
from hookbus.worker.pipeline.pending_outcome import PendingOutcome
from hookbus.worker.pipeline.slots import Slots
from hookbus.worker.pipeline.stream_reads import StreamReads
from tests.wait import until
from tests.worker import subscriptions
from tests.worker.builders import (
    GROUP,
    KEYS,
    OWN_STREAM,
    STREAM,
    TYPE,
    Handler,
    a_context,
    join,
    pending,
    redeliver,
    store,
    take,
)
from tests.worker.dead_letters import create_groups, letter, store_letters
from tests.worker.lookouts import a_lookout, ignore
from tests.worker.running import app_of, running
from tests.worker.subscriptions import runtime

LISTED = f"{GROUP}|{TYPE}".encode()
OUTCOMES = pytest.mark.parametrize(
    "outcome",
    [Ack(), Park(1.5, Cause("E", "no")), DeadLetter("rejected", Cause("E", "no"))],
    ids=["ack", "park", "dead_letter"],
)


def settling(in_flight, outcome) -> scripts.Call:
    return PendingOutcome(in_flight, outcome, Slots(1), 0.25, now_ms()).call("me")


async def settle(client, in_flight, outcome) -> int:
    return await scripts.run(client, settling(in_flight, outcome))


async def listed(client) -> set[bytes]:
    return set(await client.execute_command("SMEMBERS", KEYS.redeliveries))


async def is_gone(client) -> bool:
    return not await client.execute_command("EXISTS", OWN_STREAM, KEYS.redeliveries)


@OUTCOMES
async def test_a_redelivery_stream_goes_with_its_last_entry_and_not_before(client, outcome):
    await redeliver(client, "wh_1", "wh_2", "wh_3")
    first, second, third = await take(client, "me", own=True)
    assert await settle(client, first, outcome) == 1
    await client.execute_command("XDEL", OWN_STREAM, third.entry_id)  # by hand, while it runs
    assert await settle(client, second, outcome) == 1
    assert await listed(client) == {LISTED}
    assert await settle(client, third, outcome) == 1
    assert await is_gone(client)


@OUTCOMES
async def test_a_redelivery_that_arrives_before_the_last_one_is_settled_keeps_the_stream(client, outcome):
    await redeliver(client, "wh_1")
    (in_flight,) = await take(client, "me", own=True)
    call = settling(in_flight, outcome)
    await redeliver(client, "wh_2")
    assert await scripts.run(client, call) == 1
    assert await listed(client) == {LISTED}
    assert [each.delivery.webhook_id for each in await take(client, "me", own=True)] == ["wh_2"]


@OUTCOMES
async def test_an_unusable_list_stops_no_outcome(client, outcome):
    await redeliver(client, "wh_1")
    (in_flight,) = await take(client, "me", own=True)
    await client.execute_command("DEL", KEYS.redeliveries)
    await client.execute_command("SET", KEYS.redeliveries, "no set")
    assert await settle(client, in_flight, outcome) == 1
    assert await pending(client, own=True) == {}


@OUTCOMES
async def test_an_outcome_whose_stream_is_gone_is_discarded_without_a_trace(client, outcome):
    """It was written before, and the reply was lost."""
    await redeliver(client, "wh_1")
    (in_flight,) = await take(client, "me", own=True)
    assert await settle(client, in_flight, Ack()) == 1
    slots = Slots(9)
    slots.take(in_flight)
    async with subscriptions.settling(client) as outcome_writer:
        outcome_writer.settle(in_flight, outcome, slots, 0.1)
        await outcome_writer.all_written()
    assert not slots.holds(in_flight)
    assert not await client.execute_command("KEYS", "*")


async def test_a_redrive_lists_the_stream_that_an_ack_has_just_removed_and_an_ack_keeps_that_of_a_redrive(client):
    await create_groups(client, GROUP)
    await store_letters(client, letter("wh_1", group=GROUP, type=TYPE), letter("wh_2", group=GROUP, type=TYPE))
    dead_letters = await DeadLetters.open(client, 1)
    letters = [each async for batch in dead_letters.walk(Filter(), 10) for each in batch]
    for dead, is_ack_first in zip(letters, (True, False), strict=True):
        await redeliver(client, "wh_0")
        (in_flight,) = await take(client, "me", own=True)
        calls = [settling(in_flight, Ack()), remove_letter(dead, is_redrive=True)]
        assert await scripts.run_all(client, calls if is_ack_first else calls[::-1]) == [1, 1]
        assert await listed(client) == {LISTED}
        (redriven,) = await take(client, "me", own=True)
        assert redriven.delivery.webhook_id == dead.name
        assert await settle(client, redriven, Ack()) == 1
        assert await is_gone(client)


@pytest.mark.parametrize("has_group", [True, False])
async def test_relist_loses_the_race_against_a_redelivery(client, has_group):
    """A reader found the stream gone, and another redelivery comes before it asks."""
    call = relist(KEYS, GROUP, TYPE)
    await redeliver(client, "wh_1")
    if not has_group:
        await client.execute_command("XGROUP", "DESTROY", OWN_STREAM, GROUP)
    assert await scripts.run(client, call) == (b"there" if has_group else b"created")
    assert await listed(client) == {LISTED}
    (in_flight,) = await take(client, "me", own=True)
    assert await settle(client, in_flight, Ack()) == 1
    assert await scripts.run(client, call) == b"gone"


async def test_relist_removes_an_empty_stream_and_the_name_of_one_that_others_deleted(client):
    call = relist(KEYS, GROUP, TYPE)
    (entry_id,) = await redeliver(client, "wh_1")
    await client.execute_command("XDEL", OWN_STREAM, entry_id)
    assert await scripts.run(client, call) == b"gone"
    assert await is_gone(client)
    await redeliver(client, "wh_1")
    await client.execute_command("DEL", OWN_STREAM)
    assert await scripts.run(client, call) == b"deleted"
    assert await is_gone(client)


async def test_redeliveries_that_others_deleted_are_data_loss_and_those_that_were_handled_are_none(client):
    membership = await join(client)
    with capture_logs() as logs:
        assert await membership.relist([TYPE]) == []
        assert logs == []
        await redeliver(client, "wh_1")
        await client.execute_command("XGROUP", "DESTROY", OWN_STREAM, GROUP)
        assert await membership.relist([TYPE]) == [TYPE]
        assert [log["event"] for log in logs] == ["data_loss"]
        await client.execute_command("DEL", OWN_STREAM)
        assert await membership.relist([TYPE]) == []
        assert [log["event"] for log in logs] == ["data_loss"] * 2
    assert await client.execute_command("HGET", KEYS.losses, GROUP) == b"2"


async def test_a_promotion_changes_nothing_while_the_list_is_unusable(client):
    await redeliver(client, "wh_1")
    (in_flight,) = await take(client, "me", own=True)
    assert await settle(client, in_flight, Park(-1, Cause("E", "no"))) == 1
    await client.execute_command("SET", KEYS.redeliveries, "no set")
    promoter = Promoter(a_context(client), a_lookout(client), ignore)
    with pytest.raises(ResponseError, match="wrong kind of value"):
        await promoter._round()
    assert await client.execute_command("ZCARD", KEYS.delayed(GROUP)) == 1
    assert await client.execute_command("EXISTS", OWN_STREAM) == 0
    await client.execute_command("DEL", KEYS.redeliveries)
    await promoter._round()
    assert await listed(client) == {LISTED}


async def test_a_reader_goes_on_when_the_stream_that_it_waits_for_is_gone(client, redis_url):
    """It is told by Redis, and logs nothing: another worker handled the last redelivery."""
    handler = Handler(is_open=True)
    await join(client)
    await redeliver(client, "wh_0")
    (elsewhere,) = await take(client, "another", own=True)
    with capture_logs() as logs:
        async with runtime(redis_url, client, handler.route()) as subscription:
            subscription.start()
            await until(lambda: subscription.reader.silent_s() > 0.05)
            assert set(subscription.reader.streams.all) == {STREAM, OWN_STREAM}
            connections = subscription.line.made
            assert await settle(client, elsewhere, Ack()) == 1
            await until(lambda: set(subscription.reader.streams.all) == {STREAM})
            await store(client, "wh_1")
            await until(lambda: handler.done == ["wh_1"])
            await redeliver(client, "wh_2")
            await subscription.open()
            await until(lambda: handler.done == ["wh_1", "wh_2"])
            await until(lambda: is_gone(client))
            assert subscription.losses == []
            assert subscription.line.made == connections
    assert logs == []


async def test_a_read_of_a_stream_that_went_and_came_back_is_repeated(client, redis_url, monkeypatch):
    """Redis 7.0 ends the blocking read of a stream that went, without saying why; by now it may be there again."""
    handler = Handler(is_open=True)
    await join(client)
    async with runtime(redis_url, client, handler.route()) as subscription:
        ends = [ResponseError("UNBLOCKED the stream key no longer exists")]
        one = StreamReads.one

        async def ends_once(self, ask):
            if ends:
                raise ends.pop()
            return await one(self, ask)

        monkeypatch.setattr(StreamReads, "one", ends_once)
        with capture_logs() as logs:
            await redeliver(client, "wh_1")
            subscription.start()
            await until(lambda: handler.done == ["wh_1"])
        assert ends == logs == subscription.losses == []


async def test_a_due_retry_begins_at_once_where_it_was_parked(client, redis_url, monkeypatch):
    """Its promoter tells the reader, which waits for no look."""
    began: list[float] = []
    app = App(GROUP)

    @app.on(TYPE)
    async def handle(event: dict) -> None:
        began.append(time.monotonic())
        if len(began) == 1:
            raise RetryLater(0.5)

    monkeypatch.setattr(look, "INTERVAL_S", 30)  # so that only the look at the start is there
    async with running(redis_url, app):
        await store(client, "wh_1")
        await until(lambda: len(began) == 2, 10)
        await until(lambda: is_gone(client))


async def test_what_a_tool_redelivers_is_read_after_the_next_look(client, redis_url):
    handler = Handler(is_open=True)
    async with running(redis_url, app_of(handler)) as worker:
        [reader] = worker.worker._readers.values()
        for name in ("wh_1", "wh_2"):
            assert OWN_STREAM not in reader.streams.all
            await redeliver(client, name)
            await until(lambda name=name: name in handler.done, 10)
            await until(lambda: OWN_STREAM not in reader.streams.all)
            assert await is_gone(client)

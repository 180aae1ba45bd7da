import asyncio

import msgspec
import pytest
from structlog.testing import capture_logs

from hookbus.shared import scripts
from hookbus.shared.clock import now_ms
from hookbus.shared.connection import FAULTS, connect
from hookbus.shared.entry import Entry, parse, redelivery_fields
from hookbus.worker.duties import promote
from hookbus.worker.duties.promote import BATCH, Promoter
from hookbus.worker.pipeline.outcome import Cause, Park
from hookbus.worker.pipeline.pending_outcome import PendingOutcome
from hookbus.worker.pipeline.slots import Slots
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, OWN_STREAM, TYPE, a_context, commandstats, join, store, take
from tests.worker.lookouts import a_lookout, ignore


async def park(client, *waits_s: float, event_type: str = TYPE, is_snooze: bool = False) -> list[str]:
    """Park a delivery for each wait, counted from now; returns their names."""
    await join(client, event_type)
    names = [f"wh_{i}" for i in range(len(waits_s))]
    await store(client, *names, event_type=event_type)
    deliveries = await take(client, "me", len(names)) if event_type == TYPE else []
    now = now_ms()
    for in_flight, wait_s in zip(deliveries, waits_s, strict=True):
        item = PendingOutcome(in_flight, Park(wait_s, Cause("E", ""), is_snooze=is_snooze), Slots(1), 0, now)
        assert await scripts.run(client, item.call("me")) == 1
    return [in_flight.name for in_flight in deliveries]


def promoter(client) -> Promoter:
    return Promoter(a_context(client), a_lookout(client), ignore)


async def promoted(client) -> list[str]:
    """The webhook-ids in the redelivery stream, in order."""
    return [parse(fields).webhook_id for _, fields in await client.execute_command("XRANGE", OWN_STREAM, "-", "+")]


async def parked(client) -> int:
    count = await client.execute_command("ZCARD", KEYS.delayed(GROUP))
    assert await client.execute_command("HLEN", KEYS.delayed_data(GROUP)) == count
    return count


async def test_due_deliveries_are_promoted_in_order_of_time_and_others_stay(client):
    await park(client, -1, -3, 60, -2)
    wait_s = await promoter(client)._round()
    assert await promoted(client) == ["wh_1", "wh_3", "wh_0"]
    assert await parked(client) == 1
    assert 55 < wait_s <= 60


async def test_a_promoted_delivery_is_the_next_attempt_of_the_same_event(client):
    await park(client, -1)
    await promoter(client)._round()
    (in_flight,) = await take(client, "me", own=True)
    assert (in_flight.delivery.webhook_id, in_flight.delivery.attempt, in_flight.is_own_stream) == ("wh_0", 2, True)
    assert [failure.error for failure in in_flight.entry.history] == ["E"]


async def test_a_snoozed_delivery_counts_as_such_until_it_is_promoted(client):
    later, _ = await park(client, 60, -1, is_snooze=True)
    assert await client.execute_command("ZCARD", KEYS.snoozed(GROUP)) == 2
    await promoter(client)._round()
    assert await client.execute_command("ZRANGE", KEYS.snoozed(GROUP), 0, -1) == [later.encode()]


async def test_an_unusable_key_of_the_snoozed_ones_promotes_each_delivery_once(client):
    await park(client, -1, -1)
    await client.execute_command("SET", KEYS.snoozed(GROUP), "of another type")
    await promoter(client)._round()
    assert sorted(await promoted(client)) == ["wh_0", "wh_1"]
    assert await parked(client) == 0


async def test_the_next_round_comes_when_the_next_delivery_is_due(client):
    await park(client, 0.4)
    assert 0 < await promoter(client)._round() <= 0.4


async def test_two_promoters_promote_once(client):
    await park(client, *[-1] * 250)
    first, second = promoter(client), promoter(client)
    while await parked(client):
        await asyncio.gather(first._round(), second._round())
    assert sorted(await promoted(client)) == sorted(f"wh_{i}" for i in range(250))


async def test_promote_skips_deliveries_that_were_promoted_parked_later_or_discarded_first(client):
    first, later, discarded = await park(client, -1, -1, -1)
    await client.execute_command("ZADD", KEYS.delayed(GROUP), now_ms() + 60_000, later)
    await client.execute_command("ZREM", KEYS.delayed(GROUP), discarded)
    await client.execute_command("HDEL", KEYS.delayed_data(GROUP), discarded)
    keys = (KEYS.delayed(GROUP), KEYS.delayed_data(GROUP), KEYS.snoozed(GROUP), KEYS.due, KEYS.redeliveries)
    args = (now_ms(), now_ms() + 1, GROUP, first, later, discarded)
    call = scripts.Call(scripts.PROMOTE, (*keys, *[OWN_STREAM] * 3), args)
    assert sorted(await asyncio.gather(scripts.run(client, call), scripts.run(client, call))) == [[0], [1]]
    assert await promoted(client) == ["wh_0"]


async def test_many_due_deliveries_are_promoted_in_batches_without_a_wait(client):
    await park(client, *[-1] * (2 * BATCH + 50))
    duty = promoter(client)
    await client.execute_command("CONFIG", "RESETSTAT")
    waits = [await duty._round() for _ in range(3)]
    assert waits[:2] == [0, 0]
    assert waits[2] > 0
    assert await parked(client) == 0
    assert (await commandstats(client))["evalsha"] <= 4  # one may have got NOSCRIPT


async def test_each_type_is_promoted_to_its_own_stream(client):
    names = {}
    for number, event_type in enumerate(("a.b", "c.d", "a.b"), 1):
        member = f"{event_type}||{number}-0"
        entry = Entry(f"wh_{number}", "openai", 1, b"{}")
        packed = "return redis.call('HSET', KEYS[1], ARGV[1], cmsgpack.pack({unpack(ARGV, 2)}))"
        fields = redelivery_fields(entry, 2, ())
        await client.execute_command("EVAL", packed, 1, KEYS.delayed_data(GROUP), member, *fields)
        await client.execute_command("ZADD", KEYS.delayed(GROUP), 1, member)
        names.setdefault(event_type, []).append(f"wh_{number}")
    await promoter(client)._round()
    for event_type, expected in names.items():
        stream = await client.execute_command("XRANGE", KEYS.redelivery(event_type, GROUP), "-", "+")
        assert [parse(fields).webhook_id for _, fields in stream] == expected


async def test_a_parked_delivery_without_its_data_delays_no_other(client):
    broken, _ = await park(client, -2, -1)
    await client.execute_command("HDEL", KEYS.delayed_data(GROUP), broken)
    await promoter(client)._round()
    assert await promoted(client) == ["wh_1"]
    assert await parked(client) == 0


async def test_g3_without_memory_deliveries_are_promoted_since_only_running_them_frees_memory(client):
    await park(client, -2, -1)
    await client.execute_command("CONFIG", "SET", "maxmemory", "1")
    await promoter(client)._round()
    assert (await parked(client), len(await promoted(client))) == (0, 2)


class Running:
    """A promoter that runs until the block ends."""

    def __init__(self, client) -> None:
        self.stopping = asyncio.Event()
        self.lookout = a_lookout(client, self.stopping)
        self.promoter = Promoter(a_context(client, stopping=self.stopping), self.lookout, ignore)

    async def __aenter__(self) -> Promoter:
        self.task = asyncio.gather(self.promoter.run(), self.lookout.run())
        return self.promoter

    async def __aexit__(self, *_) -> None:
        self.stopping.set()
        self.lookout.hurry()
        async with asyncio.timeout(0.5):
            await self.task


async def test_a_delivery_parked_here_is_promoted_in_time_although_the_next_round_was_far_away(client):
    async with Running(client) as running:
        await until(lambda: running._next_round_ms)
        await park(client, 0.1)
        due_ms = now_ms() + 100
        running.expect(due_ms)
        await until(lambda: promoted(client))
        assert now_ms() - due_ms < 500


@pytest.mark.parametrize("spoilt", ["", "due"])
async def test_deliveries_parked_by_others_are_promoted_within_two_seconds(client, spoilt):
    if spoilt:
        await client.execute_command("SET", KEYS.due, "no sorted set")
    async with Running(client) as running:
        await until(lambda: running._next_round_ms)
        await park(client, 0)
        await until(lambda: promoted(client), timeout_s=4)


async def test_an_idle_promoter_asks_only_by_the_look(client):
    async with Running(client) as running:
        await until(lambda: running._served is not running._lookout.last)
        await park(client, 60)
        before, look = await commandstats(client), running._lookout.last
        await until(lambda: running._lookout.last is not look)
        after = await commandstats(client)
        assert after.get("time", 0) == before.get("time", 0)
        assert after["zrange"] - before["zrange"] <= 2


async def due(client) -> list[bytes]:
    return await client.execute_command("ZRANGE", KEYS.due, 0, -1)


async def test_due_names_a_group_while_it_has_parked_deliveries(client):
    await park(client, -1, 60)
    earliest = await client.execute_command("ZSCORE", KEYS.due, GROUP)
    await promoter(client)._round()
    assert await client.execute_command("ZSCORE", KEYS.due, GROUP) > earliest
    assert await due(client) == [GROUP.encode()]
    await client.execute_command("ZADD", KEYS.delayed(GROUP), "XX", 1, *await client.zrange(KEYS.delayed(GROUP), 0, 0))
    await promoter(client)._round()
    assert await due(client) == []


async def test_parked_deliveries_that_were_deleted_leave_due_when_they_would_be(client):
    await park(client, -1)
    await client.delete(KEYS.delayed(GROUP), KEYS.delayed_data(GROUP))
    promoting = promoter(client)
    await promoting._lookout.look()
    await promoting._round()
    assert await due(client) == []


async def test_the_schedule_continues_when_redis_is_back(own_server):
    client = connect(own_server.url, "tests")
    await park(client, 0.3)
    async with Running(client):
        await asyncio.to_thread(own_server.stop)
        await asyncio.to_thread(own_server.start)
        await until(lambda: _promoted_again(client))
    await client.aclose()


async def _promoted_again(client) -> bool:
    try:
        return await promoted(client) == ["wh_0"]
    except FAULTS:
        return False


EXHAUSTED = "18446744073709551615-18446744073709551615"


async def spoil(client, how: str, event_type: str = "batch.failed") -> None:
    """A parked delivery of a type whose redelivery stream refuses entries."""
    stream = KEYS.redelivery(event_type, GROUP)
    if how == "type":
        await client.execute_command("SET", stream, "no stream")
    if how == "ids":
        await client.execute_command("XADD", stream, EXHAUSTED, "a", "b")


@pytest.mark.parametrize("how", ["type", "ids", "fields"])
async def test_g7_deliveries_that_their_stream_refuses_wait_and_the_others_are_promoted(client, how):
    await park(client, -1, -2)
    await spoil(client, how)
    packed = "\xc1" if how == "fields" else msgpack_of("wh_bad")
    for i in range(BATCH):  # as many as one round reads, all of them older
        await client.execute_command("HSET", KEYS.delayed_data(GROUP), f"batch.failed||{i}-0", packed)
        await client.execute_command("ZADD", KEYS.delayed(GROUP), 1000 + i, f"batch.failed||{i}-0")
    duty = promoter(client)
    with capture_logs() as logs:
        assert await duty._round() == 0
        assert await promoted(client) == []
        await duty._round()
    assert await promoted(client) == ["wh_1", "wh_0"]
    assert await client.execute_command("ZCARD", KEYS.delayed(GROUP)) == BATCH
    assert await client.execute_command("ZCOUNT", KEYS.delayed(GROUP), now_ms(), "+inf") == BATCH  # tried again later
    [line] = [log for log in logs if log["event"] == "key_unusable"]
    assert (line["key"], line["use"]) == (KEYS.redelivery("batch.failed", GROUP), "add")


async def test_g7_refused_deliveries_are_promoted_when_their_stream_is_repaired(client, monkeypatch):
    monkeypatch.setattr(promote, "REFUSED_MS", 0)
    await park(client, -1)
    await spoil(client, "type", TYPE)
    duty = promoter(client)
    await duty._round()
    await client.execute_command("DEL", OWN_STREAM)
    with capture_logs() as logs:
        await duty._round()
    assert await promoted(client) == ["wh_0"]
    assert [log["event"] for log in logs] == ["key_usable_again"]


async def test_a_schedule_of_another_type_is_named_and_tried_again(client):
    await client.execute_command("SET", KEYS.delayed(GROUP), "no schedule")
    duty = promoter(client)
    with capture_logs() as logs:
        running = asyncio.create_task(duty.run())
        await until(lambda: [log for log in logs if log["event"] == "key_unusable"])
        await client.execute_command("DEL", KEYS.delayed(GROUP))
        await until(lambda: [log for log in logs if log["event"] == "key_usable_again"])
    duty._here.stopping.set()
    duty._wake.set()
    await running


def msgpack_of(name: str) -> bytes:
    fields = redelivery_fields(Entry(name, "openai", now_ms(), b"{}"), 2, ())
    return msgspec.msgpack.encode(fields)

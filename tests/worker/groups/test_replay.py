import asyncio

import msgspec
import pytest
from redis.exceptions import ResponseError

from hookbus.shared import scripts
from hookbus.shared.command import FailedError
from hookbus.shared.entry import Entry, parse
from hookbus.shared.keys import Keys
from hookbus.worker.api.delivery import member_prefix
from hookbus.worker.dlq.bulk import Tally, move_all
from hookbus.worker.dlq.filter import Filter
from hookbus.worker.dlq.moves import Moves
from hookbus.worker.dlq.query import DeadLetters
from hookbus.worker.duties.promote import Promoter
from hookbus.worker.groups import history, replay
from hookbus.worker.groups.history import EventFilter, StoredEvent
from hookbus.worker.groups.replay import Replay
from hookbus.worker.inspect import status
from hookbus.worker.inventory import registry
from hookbus.worker.pipeline.in_flight import in_flight_of
from hookbus.worker.pipeline.outcome import Cause, DeadLetter, Park
from hookbus.worker.pipeline.pending_outcome import PendingOutcome
from hookbus.worker.pipeline.slots import Slots
from tests.programs import event_body
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, OWN_STREAM, STREAM, TYPE, a_context, register, take
from tests.worker.dead_letters import subscribe
from tests.worker.duties.test_trim_bounds import trimmer
from tests.worker.lookouts import a_lookout, ignore
from tests.worker.retained_events import AT_MS, hand_out, retain
from tests.worker.takeovers import take_over

pytestmark = pytest.mark.both_loops

CAUSE = Cause("ValueError", "no")


async def delivered_events(
    client, count: int = 3, *types: str, shards: int = 1, group: str = GROUP
) -> list[StoredEvent]:
    """`count` events of each type that were delivered to the group, oldest first."""
    await subscribe(client, group=group, shards=shards)
    for kind in types or (TYPE,):
        await retain(client, *(f"wh_{i}" for i in range(count)), event_type=kind, shards=shards)
    await hand_out(client, *types, group=group, shards=shards)
    found = await history.fetch(client, await registry.shards(client, 1), group, EventFilter())
    return [event async for batch in found.batches(10_000) for event in batch]


class RecordedReplay:
    """A replay with its stop event and its messages."""

    def __init__(self, client, group: str = GROUP) -> None:
        self.messages: list[str] = []
        self.stopping = asyncio.Event()
        self.replay = Replay(client, group, self.stopping, self.messages.append)

    async def deliver(self, events: list[StoredEvent]) -> list[int]:
        return await self.replay.deliver(events)


async def entries(client, stream: str = OWN_STREAM) -> list[Entry]:
    return [parse(fields) for _, fields in await client.execute_command("XRANGE", stream, "-", "+")]


async def fill(client, share: float) -> None:
    """Set maxmemory so that Redis is this full."""
    info = (await client.execute_command("INFO", "memory")).decode()
    used = int(info.partition("used_memory:")[2].split()[0])
    await client.execute_command("CONFIG", "SET", "maxmemory", int(used / share))


async def test_a_replayed_event_is_unchanged_but_marked_and_at_attempt_1(client):
    events = await delivered_events(client, 1)
    assert await RecordedReplay(client).deliver(events) == [1]
    (in_flight,) = await take(client, "me", own=True)
    body = event_body(TYPE, id="wh_0")
    assert in_flight.entry == Entry("wh_0", "openai", AT_MS - 5, body, "00-trace-01", 1, (), is_replay=True)
    delivery = in_flight.delivery
    assert (delivery.is_replay, delivery.attempt, delivery.received_at_ms) == (True, 1, AT_MS - 5)
    assert (delivery.body, delivery.type, delivery.group) == (body, TYPE, GROUP)


async def test_a_first_delivery_is_no_replay(client):
    await delivered_events(client, 1)
    await retain(client, "wh_live", at_ms=AT_MS + 1000)
    (in_flight,) = await take(client, "me")
    assert not in_flight.delivery.is_replay


@pytest.mark.parametrize("shards", [1, 3])
async def test_it_is_backlog_of_its_group_without_a_worker_and_of_no_other_group(client, shards):
    types = (TYPE, "batch.failed")
    events = await delivered_events(client, 20, *types, shards=shards)
    await subscribe(client, group="phone", shards=shards)
    assert await RecordedReplay(client).deliver(events) == [1] * 40
    found = await status.fetch(client, 1)
    assert {name: found.groups[GROUP].types[name].backlog for name in types} == dict.fromkeys(types, 20)
    assert await client.execute_command("KEYS", "hookbus:*:phone") == []
    for shard in range(shards):
        for name in types:
            stored = await entries(client, Keys(shard).stream(name))
            redelivered = await entries(client, Keys(shard).redelivery(name, GROUP))
            assert redelivered == [msgspec.structs.replace(entry, is_replay=True) for entry in stored]


async def test_the_replay_mark_survives_park_promotion_takeover_dead_letter_and_redrive(client):
    events = await delivered_events(client, 1)
    await RecordedReplay(client).deliver(events)
    (in_flight,) = await take(client, "one", own=True)
    item = PendingOutcome(in_flight, Park(-1, CAUSE), Slots(1), 0, AT_MS)
    assert await scripts.run(client, item.call("one")) == 1
    await Promoter(a_context(client), a_lookout(client), ignore)._round()
    await take(client, "dead", own=True)
    await register(client, "dead", alive=False)
    ((entry_id, _, _, fields),) = await take_over(client, "dead", "claimant", own=True)
    in_flight = in_flight_of(OWN_STREAM, TYPE, True, GROUP, entry_id, fields)
    assert (in_flight.delivery.is_replay, in_flight.delivery.attempt) == (True, 2)
    item = PendingOutcome(in_flight, DeadLetter("rejected", CAUSE), Slots(1), 0, AT_MS)
    assert await scripts.run(client, item.call("claimant")) == 1
    store = await DeadLetters.open(client, 1)
    letters = await store.find(Filter(names=("wh_0",)))
    assert [dead.letter.is_replay for dead in letters] == [True]
    assert await Moves(client, store.shards).redrive(letters) == [1]
    (in_flight,) = await take(client, "claimant", own=True)
    assert (in_flight.delivery.is_replay, in_flight.delivery.attempt) == (True, 1)


async def test_deaths_recorded_for_an_event_do_not_count_for_its_replay(client):
    (event,) = await delivered_events(client, 1)
    first = member_prefix(TYPE, GROUP, False) + f"{event.id[0]}-{event.id[1]}"
    await client.execute_command("HSET", KEYS.deaths(GROUP), first, "a@1 b@2")
    await RecordedReplay(client).deliver([event])
    (in_flight,) = await take(client, "me", own=True)
    assert (in_flight.deaths, in_flight.times_delivered) == ((), 1)
    assert await client.execute_command("HGET", KEYS.deaths(GROUP), in_flight.name) is None


async def test_g3_history_may_be_trimmed_once_it_was_replayed(client):
    events = await delivered_events(client, 300)
    await RecordedReplay(client).deliver(events)
    assert await trimmer(client).trim(at_once=True) >= 299
    assert len(await entries(client, STREAM)) <= 1
    assert [in_flight.delivery.webhook_id for in_flight in await take(client, "me", 1000, own=True)] == [
        event.entry.webhook_id for event in events
    ]


async def test_replay_loses_the_race_against_a_forget_and_leaves_no_stream(client):
    events = await delivered_events(client, 2)
    call = replay.replay_call(KEYS, GROUP, events)
    await client.execute_command("HDEL", KEYS.groups, GROUP)
    assert await scripts.run(client, call) == 0
    with pytest.raises(FailedError, match="group billing no longer exists"):
        await RecordedReplay(client).deliver(events)
    assert await client.execute_command("EXISTS", OWN_STREAM) == 0


async def test_a_batch_that_redis_has_no_memory_for_is_refused_as_a_whole(client):
    events = await delivered_events(client, 50)
    await fill(client, 2)
    with pytest.raises(ResponseError, match="maxmemory"):
        await scripts.run(client, replay.replay_call(KEYS, GROUP, events))
    assert await client.execute_command("EXISTS", OWN_STREAM) == 0


async def test_it_waits_before_redis_is_so_full_that_history_is_trimmed_and_continues_with_room(client, monkeypatch):
    monkeypatch.setattr(replay, "POLL_S", 0.02)
    events = await delivered_events(client, 10)
    await fill(client, 0.85)
    recorded = RecordedReplay(client)
    delivering = asyncio.create_task(recorded.deliver(events))
    await until(lambda: recorded.messages)
    assert await client.execute_command("EXISTS", OWN_STREAM) == 0
    await fill(client, 0.5)
    assert await delivering == [1] * 10
    assert len(await entries(client)) == 10
    await fill(client, 0.85)
    delivering = asyncio.create_task(recorded.deliver(events))
    await until(lambda: len(recorded.messages) > 1)
    await fill(client, 0.5)
    assert await delivering == [1] * 10
    assert recorded.messages == ["Redis is more than 80% full: waiting until the workers of billing make room"] * 2


async def test_parts_refused_for_lack_of_memory_are_sent_later_and_the_others_are_not_repeated(client, monkeypatch):
    """Memory ran out between the check and the call, and for one of two shards only."""
    monkeypatch.setattr(replay, "POLL_S", 0.01)
    events = await delivered_events(client, 40, shards=2)
    run_all, rounds = scripts.run_all, []

    async def short(client, calls):
        rounds.append(len(calls))
        if len(rounds) > 2:
            return await run_all(client, calls)
        refused = [ResponseError("OOM command not allowed when used memory > 'maxmemory'.")]
        return (await run_all(client, calls[:1]) if len(rounds) == 1 else []) + refused

    monkeypatch.setattr(scripts, "run_all", short)
    recorded = RecordedReplay(client)
    assert await recorded.deliver(events) == [1] * 40
    assert rounds == [2, 1, 1]
    delivered = [e.webhook_id for shard in (0, 1) for e in await entries(client, Keys(shard).redelivery(TYPE, GROUP))]
    assert sorted(delivered) == sorted(event.entry.webhook_id for event in events)


async def test_a_stop_ends_the_wait_and_only_delivered_events_are_counted(client):
    events = await delivered_events(client, 10)
    recorded = RecordedReplay(client)
    assert await recorded.deliver(events[:4]) == [1] * 4
    await fill(client, 0.85)
    delivering = asyncio.create_task(recorded.deliver(events[4:]))
    await until(lambda: recorded.messages)
    recorded.stopping.set()
    assert await asyncio.wait_for(delivering, 5) == []
    assert recorded.replay.reached_ms == events[3].stored_ms


async def test_it_gives_up_when_no_memory_is_freed(client, monkeypatch):
    monkeypatch.setattr(replay, "POLL_S", 0.01)
    monkeypatch.setattr(replay, "PATIENCE_S", 0.05)
    events = await delivered_events(client, 2)
    await fill(client, 0.85)
    recorded = RecordedReplay(client)
    with pytest.raises(FailedError, match=r"more than 80% full, and nothing made room for 0.05 s"):
        await recorded.deliver(events)
    assert len(recorded.messages) == 1


async def test_another_error_is_raised_and_not_taken_for_lack_of_memory(client):
    events = await delivered_events(client, 2)
    await client.execute_command("SET", OWN_STREAM, "no stream")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await RecordedReplay(client).deliver(events)


async def test_a_replay_in_batches_survives_a_script_flush_and_counts_its_events(client):
    await delivered_events(client, 10)
    await client.execute_command("SCRIPT", "FLUSH")
    found = await history.fetch(client, (KEYS,), GROUP, EventFilter())
    recorded = RecordedReplay(client)
    tally = await move_all(
        found.batches(3), recorded.deliver, rate=0, stopping=recorded.stopping, progressed=lambda _: None
    )
    assert tally == Tally(moved=10)
    assert [entry.webhook_id for entry in await entries(client)] == [f"wh_{i}" for i in range(10)]


async def test_replayed_events_are_not_added_to_the_history(client):
    events = await delivered_events(client, 5)
    await RecordedReplay(client).deliver(events)
    after = await history.fetch(client, (KEYS,), GROUP, EventFilter())
    assert (await after.count()).types == {TYPE: 5}

"""Parking and dead-lettering, each in one step: the writes of the scripts, and their refusals."""

import asyncio

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.exceptions import ResponseError

from hookbus.shared import scripts
from hookbus.shared.connection import refusal_code
from hookbus.shared.entry import HISTORY_KEPT, Entry, Failure, parse
from hookbus.shared.keys import HANDOVER
from hookbus.worker.api.delivery import InFlight
from hookbus.worker.pipeline.dead_letter import decode
from hookbus.worker.pipeline.handover import release
from hookbus.worker.pipeline.outcome import Cause, DeadLetter, Outcome, Park
from hookbus.worker.pipeline.pending_outcome import PendingOutcome
from hookbus.worker.pipeline.slots import Slots
from tests.worker.builders import GROUP, KEYS, OWN_STREAM, STREAM, an_in_flight, join, pending, redeliver, store, take
from tests.worker.takeovers import takeover_call

PARKED = (KEYS.delayed(GROUP), KEYS.delayed_data(GROUP), KEYS.snoozed(GROUP), KEYS.due)
CAUSE = Cause("ValueError", "no", "Traceback …", "handlers.py:charge")
PARK, DEAD_LETTER = Park(1.5, CAUSE), DeadLetter("rejected", CAUSE)


def pending_outcome(in_flight: InFlight, outcome: Outcome, ended_at_ms: int = 1_000) -> PendingOutcome:
    return PendingOutcome(in_flight, outcome, Slots(1), 0.25, ended_at_ms)


async def settle(client, in_flight: InFlight, outcome: Outcome, consumer: str = "me") -> int:
    """Whether the script settled it: 0 also where its redelivery stream is gone."""
    try:
        return await scripts.run(client, pending_outcome(in_flight, outcome).call(consumer))
    except ResponseError as error:
        if refusal_code(error) != "NOGROUP":
            raise
        return 0


async def parked(client) -> list[bytes]:
    names = await client.execute_command("ZRANGE", KEYS.delayed(GROUP), 0, -1)
    assert sorted(names) == sorted(await client.execute_command("HKEYS", KEYS.delayed_data(GROUP)))
    return names


async def dead_letters(client) -> list[bytes]:
    names = await client.execute_command("ZRANGE", KEYS.dead(GROUP), 0, -1)
    assert sorted(names) == sorted(await client.execute_command("HKEYS", KEYS.dead_data(GROUP)))
    return names


async def delivered(client, name: str = "wh_1", *, own: bool = False) -> InFlight:
    await join(client)
    await (redeliver(client, name) if own else store(client, name))
    (in_flight,) = await take(client, "me", own=own)
    return in_flight


async def test_park_settles_and_keeps_the_delivery_for_its_next_attempt(client):
    in_flight = await delivered(client)
    assert await settle(client, in_flight, PARK) == 1
    assert await pending(client) == {}
    flat = await client.execute_command("ZRANGE", KEYS.delayed(GROUP), 0, -1, "WITHSCORES")
    assert flat == [in_flight.name.encode(), b"2500"]
    await parked(client)


async def test_a_parked_delivery_returns_with_its_bytes_its_attempt_and_its_history(client):
    in_flight = await delivered(client)
    fields = pending_outcome(in_flight, PARK).call("me").args[7:]
    entry = parse(fields)
    assert (entry.webhook_id, entry.source, entry.body) == ("wh_1", "openai", in_flight.entry.body)
    assert (entry.received_at_ms, entry.attempt) == (in_flight.entry.received_at_ms, 2)
    assert entry.history == (Failure(1, 1_000, 250, "me", "ValueError: no"),)


async def test_a_replay_stays_one_when_it_is_parked_or_dead_lettered(client):
    await join(client)
    await redeliver(client, "wh_1", "wh_2", is_replay=True)
    first, other = await take(client, "me", own=True)
    assert first.delivery.is_replay
    assert parse(pending_outcome(first, PARK).call("me").args[7:]).is_replay
    assert await settle(client, other, DEAD_LETTER) == 1
    assert decode(await client.execute_command("HGET", KEYS.dead_data(GROUP), "wh_2")).is_replay


async def test_history_and_error_texts_are_bounded(client):
    long = tuple(Failure(i, i, 1, "c", "e") for i in range(HISTORY_KEPT))
    in_flight = an_in_flight()
    in_flight = msgspec.structs.replace(
        in_flight, entry=msgspec.structs.replace(in_flight.entry, history=long, attempt=99)
    )
    history = pending_outcome(in_flight, Park(1, Cause("E", "m" * 10_000))).history("me")
    assert len(history) == HISTORY_KEPT
    assert (history[-1].attempt, len(history[-1].error)) == (99, 300)
    assert history[0].attempt == 1


async def test_dead_letter_settles_and_writes_a_letter_that_its_indexes_name(client):
    in_flight = await delivered(client)
    assert await settle(client, in_flight, DEAD_LETTER) == 1
    assert await pending(client) == {}
    assert await dead_letters(client) == [b"wh_1"]
    letter = decode(await client.execute_command("HGET", KEYS.dead_data(GROUP), "wh_1"))
    assert (letter.reason, letter.attempts, letter.dead_lettered_at_ms, letter.body) == (
        "rejected",
        1,
        1_000,
        in_flight.entry.body,
    )
    key = KEYS.dead_fingerprint(GROUP, letter.fingerprint)
    assert await client.execute_command("ZRANGE", key, 0, -1, "WITHSCORES") == [b"wh_1", b"1000"]
    assert await client.execute_command("HKEYS", KEYS.dead_fingerprints(GROUP)) == [letter.fingerprint.encode()]


async def test_a_webhook_id_dead_lettered_twice_leaves_two_letters(client):
    await join(client)
    await store(client, "wh_1", "wh_1")
    first, second = await take(client, "me")
    assert [await settle(client, in_flight, DEAD_LETTER) for in_flight in (first, second)] == [1, 1]
    assert await dead_letters(client) == [b"wh_1", b"wh_1~" + second.entry_id]


async def test_dead_letter_removes_the_deaths_of_a_suspect(client):
    in_flight = await delivered(client)
    await client.execute_command("HSET", KEYS.deaths(GROUP), in_flight.name, "a@1 b@2 c@3", "another", "a@1")
    assert await settle(client, in_flight, DEAD_LETTER) == 1
    assert await client.execute_command("HKEYS", KEYS.deaths(GROUP)) == [b"another"]


@pytest.mark.parametrize("outcome", [PARK, DEAD_LETTER], ids=["park", "dead_letter"])
async def test_settled_entries_of_the_redelivery_stream_are_deleted_and_those_of_the_event_stream_stay(client, outcome):
    shared, own = await delivered(client), await delivered(client, own=True)
    assert [await settle(client, in_flight, outcome) for in_flight in (shared, own)] == [1, 1]
    assert await client.execute_command("XLEN", STREAM) == 1
    assert await client.execute_command("EXISTS", OWN_STREAM, KEYS.redeliveries) == 0


async def taken_over(client, in_flight):
    await client.execute_command("XCLAIM", in_flight.stream, GROUP, "other", 0, in_flight.entry_id)


async def acked(client, in_flight):
    await client.execute_command("XACK", in_flight.stream, GROUP, in_flight.entry_id)


async def parked_before(client, in_flight):
    assert await settle(client, in_flight, PARK) == 1


async def group_gone(client, in_flight):
    await client.execute_command("XGROUP", "DESTROY", in_flight.stream, GROUP)
    await client.execute_command("XGROUP", "CREATE", in_flight.stream, GROUP, "0")


@pytest.mark.parametrize("own", [False, True], ids=["of all", "own"])
@pytest.mark.parametrize("before", [taken_over, acked, parked_before, group_gone])
@pytest.mark.parametrize("outcome", [PARK, DEAD_LETTER], ids=["parks", "buries"])
async def test_a_consumer_that_lost_the_delivery_writes_nothing(client, outcome, before, own):
    in_flight = await delivered(client, own=own)
    await before(client, in_flight)
    content = await everything(client)
    assert await settle(client, in_flight, outcome) == 0
    assert await everything(client) == content


async def everything(client) -> dict[bytes, bytes]:
    return {key: await client.execute_command("DUMP", key) for key in await client.execute_command("KEYS", "*")}


async def test_park_parks_nothing_when_another_consumer_settled_first(client):
    in_flight = await delivered(client)
    results = await asyncio.gather(*(settle(client, in_flight, PARK) for _ in range(5)))
    assert sorted(results) == [0, 0, 0, 0, 1]
    assert len(await parked(client)) == 1


async def test_dead_letter_writes_nothing_when_another_consumer_settled_first(client):
    in_flight = await delivered(client)
    results = await asyncio.gather(
        settle(client, in_flight, PARK), *(settle(client, in_flight, DEAD_LETTER) for _ in range(4))
    )
    assert sorted(results) == [0, 0, 0, 0, 1]
    assert len(await parked(client)) + len(await dead_letters(client)) == 1


async def test_without_memory_nothing_is_half_settled(client):
    in_flight = await delivered(client)
    await client.execute_command("CONFIG", "SET", "maxmemory", "1")
    results = await scripts.run_all(
        client, [pending_outcome(in_flight, outcome).call("me") for outcome in (PARK, DEAD_LETTER)]
    )
    await client.execute_command("CONFIG", "SET", "maxmemory", "0")
    assert all(isinstance(result, Exception) for result in results)
    assert await pending(client) == {in_flight.entry_id: ("me", 1)}
    assert (await parked(client), await dead_letters(client)) == ([], [])


# Any interleaving settles once.

steps = st.lists(
    st.tuples(
        st.sampled_from(["ack", "park", "dead_letter", "takeover", "release", "promote"]), st.sampled_from("abc")
    ),
    max_size=12,
)


@given(steps)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_interleaving_of_ack_park_dead_letter_and_takeover_settles_a_delivery_once(server, redis_url, steps):
    with server.client() as client:
        client.flushdb()
        client.xgroup_create(STREAM, GROUP, "0", mkstream=True)
        in_flight = an_in_flight(entry_id=client.xadd(STREAM, {"id": "wh_1", "src": "s", "at": 1, "body": "{}"}))
        client.xreadgroup(GROUP, "a", {STREAM: ">"})
        acks = 0
        for step, consumer in steps:
            acks += _step(client, step, consumer, in_flight)
            states = [
                client.xpending(STREAM, GROUP)["pending"],
                client.zcard(KEYS.delayed(GROUP)),
                client.zcard(KEYS.dead(GROUP)),
                client.xlen(OWN_STREAM),
                acks,
            ]
            assert sum(states) == 1, (step, consumer, states)
            assert client.exists(OWN_STREAM) == client.scard(KEYS.redeliveries) == bool(client.xlen(OWN_STREAM))
            assert client.hlen(KEYS.delayed_data(GROUP)) == client.zcard(KEYS.delayed(GROUP))
            assert client.hlen(KEYS.dead_data(GROUP)) == client.zcard(KEYS.dead(GROUP))


def _step(client, step: str, consumer: str, in_flight: InFlight) -> int:
    """Run one step as a consumer, whether it has the delivery or lost it; returns the number of acks."""
    if step == "ack":
        return client.xack(STREAM, GROUP, in_flight.entry_id)
    call = {
        "park": lambda: pending_outcome(in_flight, PARK).call(consumer),
        "dead_letter": lambda: pending_outcome(in_flight, DEAD_LETTER).call(consumer),
        "promote": lambda: scripts.Call(
            scripts.PROMOTE,
            (*PARKED, KEYS.redeliveries, OWN_STREAM),
            (10**6, 10**6, GROUP, in_flight.name),
        ),
        "release": lambda: release(STREAM, GROUP, consumer, 10),
        # The consumer claims it from all others, of which none is alive.
        "takeover": lambda: None,
    }[step]()
    if call is not None:
        client.eval(call.script.source, len(call.keys), *call.keys, *call.args)
        return 0
    for dead in {"a", "b", "c", HANDOVER} - {consumer}:
        call = takeover_call(dead, consumer, 10)
        client.eval(call.script.source, len(call.keys), *call.keys, *call.args)
    return 0


def defer(in_flight: InFlight, ended_at_ms: int) -> Entry:
    return parse(pending_outcome(in_flight, Park(30, CAUSE, is_snooze=True), ended_at_ms).call("me").args[7:])


async def test_a_snooze_uses_up_no_attempt_keeps_the_time_of_the_first_and_takes_one_line_of_history(client):
    in_flight = await delivered(client)
    first = defer(in_flight, 1_000)
    assert (first.attempt, first.snoozes, first.since_ms, len(first.history)) == (2, 1, 750, 1)
    entry = first
    for number in range(2, 100):
        entry = defer(msgspec.structs.replace(in_flight, entry=entry), number * 1_000)
    assert (entry.attempt, entry.snoozes, entry.since_ms) == (100, 99, 750)
    assert entry.history == (Failure(99, 99_000, 250, "me", "ValueError: no", 99, 1_000),)
    failed = parse(pending_outcome(msgspec.structs.replace(in_flight, entry=entry), PARK, 100_000).call("me").args[7:])
    assert (failed.attempt, failed.snoozes, failed.since_ms, len(failed.history)) == (101, 99, 750, 2)


async def test_the_age_of_a_delivery_parked_by_an_older_release_counts_from_its_next_attempt(client):
    in_flight = await delivered(client, own=True)
    assert (in_flight.entry.since_ms, in_flight.delivery.first_attempt_at_ms, in_flight.delivery.attempt) == (0, 0, 2)
    assert defer(in_flight, 5_000).since_ms == 4_750

"""Every state that an event can be in, from what workers and tools leave in Redis."""

import asyncio

from hookbus.shared import scripts
from hookbus.shared.clock import now_ms
from hookbus.shared.keys import HANDOVER, HOME
from hookbus.worker.dlq.moves import restore
from hookbus.worker.find.life import (
    Dead,
    Handled,
    InHand,
    NotReached,
    NotSubscribed,
    Recovered,
    Redelivery,
    Retry,
    StoredBeforeGroup,
    Unknown,
)
from hookbus.worker.inventory import pauses, running, suspensions
from hookbus.worker.inventory.running import Running, RunningDelivery
from hookbus.worker.inventory.suspensions import Held, Opened
from hookbus.worker.pipeline import handover
from hookbus.worker.pipeline.outcome import ACK
from hookbus.worker.pipeline.pending_outcome import PendingOutcome
from hookbus.worker.pipeline.slots import Slots
from tests.worker.builders import GROUP, KEYS, OWN_STREAM, STREAM, TYPE, redeliver, register, take
from tests.worker.dead_letters import letter, store_letters, subscribe
from tests.worker.find.lives import FAILED, NAME, in_group, life, park, promote, state, stored, taken

LATER_MS = now_ms() + 3_600_000


async def test_a_group_that_does_not_subscribe_to_the_type(client):
    await stored(client)
    await subscribe(client, "batch.*", group="mail")
    assert await state(client, group="mail") == NotSubscribed()


async def test_an_event_that_is_older_than_the_first_that_the_group_takes(client):
    await stored(client)
    await subscribe(client, "*", group="late")
    await client.execute_command("HSET", KEYS.groups, "late", LATER_MS, GROUP, LATER_MS)
    await client.execute_command("XGROUP", "CREATE", STREAM, "late", LATER_MS)
    assert await state(client, group="late") == StoredBeforeGroup()
    await client.execute_command("XGROUP", "DESTROY", STREAM, "late")
    assert await state(client, group="late") == StoredBeforeGroup()


async def test_not_reached_says_how_far_the_group_is_and_that_no_worker_is_alive(client):
    await stored(client, "wh_0", NAME)
    assert await state(client) == NotReached(None, ("no worker of the group is alive",))
    (first,) = await take(client, "me", 1)
    found = await state(client)
    assert found.reached_ms == int(first.entry_id.split(b"-")[0])


async def test_not_reached_says_what_keeps_it_back(client):
    await stored(client)
    await register(client, "me")
    assert (await state(client)).because == ()
    await pauses.write(client, [KEYS], GROUP, "response.*")
    breaker, hold = Opened("0" * 10, "ValueError", 0, LATER_MS), Held("Hold", 0, LATER_MS)
    for pattern, each in ((TYPE, breaker), ("*", hold), ("response.*", Held("ended", 0, 1)), ("batch.*", hold)):
        field = suspensions.field(GROUP, pattern)
        await client.execute_command("HSET", suspensions.KEY, field, suspensions.encode(each))
    assert (await state(client)).because == (
        "response.* is paused", "* is held by its handler", f"the breaker of {TYPE} is open",
    )  # fmt: skip


async def test_not_reached_says_that_the_live_workers_read_other_types(client):
    await stored(client)
    await register(client, "me", info='{"patterns": ["batch.*"]}')
    assert (await state(client)).because == ("none of the live workers reads this type",)


async def test_a_group_that_left_the_type_still_has_its_events(client):
    await stored(client)
    await subscribe(client, "batch.*")
    assert isinstance(await state(client), NotReached)


async def test_in_hand_of_a_worker_since(client):
    await taken(client)
    await register(client, "me")
    found = await state(client)
    assert found == InHand("me", found.since_ms)
    assert abs(now_ms() - found.since_ms) < 10_000


async def test_in_hand_says_since_when_it_runs_if_its_worker_tells(client):
    await taken(client)
    await register(client, "me")
    for runs in (
        ("other", TYPE, NAME, 1),
        (GROUP, "batch.completed", NAME, 1),
        (GROUP, TYPE, "wh_2", 1),
        (GROUP, TYPE, NAME, 2),
    ):
        group, event_type, name, attempt = runs
        await publish(client, RunningDelivery(group, "*", event_type, name, 7, attempt))
        assert (await state(client)).running_since_ms is None, runs
    await publish(client, RunningDelivery(GROUP, "*", TYPE, NAME, 7, 1))
    assert (await state(client)).running_since_ms == 7
    await client.execute_command("SET", HOME.running("me"), "not ours")
    assert (await state(client)).running_since_ms is None


async def publish(client, *deliveries: RunningDelivery) -> None:
    await client.execute_command("SET", HOME.running("me"), running.encode(Running(1, (), deliveries)))


async def test_in_hand_of_a_worker_that_died_or_that_left_it_to_the_others(client):
    delivery = await taken(client)
    assert (await state(client)).is_alive is False
    await register(client, "me")
    await scripts.run(client, handover.release(STREAM, GROUP, "me", 10))
    found = await state(client)
    assert (found.consumer, found.is_left) == (HANDOVER, True)
    assert delivery


async def test_a_suspect_with_the_processes_that_died_of_it(client):
    delivery = await taken(client)
    claim = ("XCLAIM", STREAM, GROUP, "host.1.abcd.quarantine", 0, delivery.entry_id, "RETRYCOUNT")
    await client.execute_command(*claim, 2)
    assert (await state(client)).is_suspect, "it is in a quarantine process"
    await client.execute_command("XCLAIM", STREAM, GROUP, "me", 0, delivery.entry_id, "RETRYCOUNT", 3)
    await client.execute_command("HSET", KEYS.deaths(GROUP), delivery.name, "a.quarantine@1 b.quarantine@2")
    found = await state(client)
    assert (found.is_suspect, found.deaths) == (True, ("a.quarantine@1", "b.quarantine@2"))


async def test_a_retry_until_it_is_due_and_a_snooze(client):
    await park(client, await taken(client), LATER_MS)
    assert await state(client) == Retry(2, LATER_MS, history=(FAILED,))
    await client.execute_command(
        "ZADD", KEYS.snoozed(GROUP), 1, (await client.execute_command("ZRANGE", KEYS.delayed(GROUP), 0, 0))[0]
    )
    assert (await state(client)).is_snoozed


async def test_a_retry_that_is_due_waits_and_is_in_hand(client):
    delivery = await taken(client)
    await park(client, delivery, 1)
    await promote(client, delivery.name, now_ms=now_ms())
    found = await state(client)
    assert found == Redelivery(2, found.since_ms, history=(FAILED,), because=("no worker of the group is alive",))
    await register(client, "me")
    (again,) = await take(client, "me", own=True)
    found = await state(client)
    assert found == InHand("me", found.since_ms, attempt=2, history=(FAILED,))
    await park(client, again, LATER_MS)
    assert (await state(client)).attempt == 3


async def test_a_replay_of_a_handled_event_waits(client):
    delivery = await taken(client)
    await client.execute_command("XACK", STREAM, GROUP, delivery.entry_id)
    await redeliver(client, NAME, "wh_other", attempt=1, is_replay=True)
    found = await state(client)
    assert isinstance(found, Redelivery)
    assert (found.is_replay, found.attempt) == (True, 1)


async def test_dead_letters_of_the_same_id_are_all_told_but_for_those_of_another_source(client):
    delivery = await taken(client)
    await client.execute_command("XACK", STREAM, GROUP, delivery.entry_id)
    await store_letters(client, letter(NAME), letter(f"{NAME}0"))
    assert await state(client) == Dead(
        NAME, 1_700_000_000_000, "attempts_exhausted", "ValueError: no such customer", 20
    )
    for name, record in ((f"{NAME}~7-0", letter(NAME)), (f"{NAME}~8-0", letter(NAME, source="shop"))):
        assert await scripts.run(client, restore(KEYS, name, record)) == 1
    assert {each.letter for each in (await in_group(client)).states} == {NAME, f"{NAME}~7-0"}


async def test_handled_when_nothing_is_left(client):
    delivery = await taken(client)
    await client.execute_command("XACK", STREAM, GROUP, delivery.entry_id)
    assert await state(client) == Handled()


async def test_handled_after_failures_says_when_and_what_failed(client):
    delivery = await taken(client)
    await park(client, delivery, 1)
    await promote(client, delivery.name, now_ms=now_ms())
    (again,) = await take(client, "me", own=True)
    item = PendingOutcome(again, ACK, Slots(1), 0.1, 5_000)
    assert await scripts.run(client, item.call("me", "", 10)) == 1
    handled = Recovered(2, 5_000, "me", history=(FAILED,))
    assert await state(client) == handled
    await redeliver(client, NAME, attempt=1, is_replay=True)
    assert [type(each) for each in (await in_group(client)).states] == [Redelivery, Recovered]
    await client.execute_command("HSET", KEYS.recovered_data(GROUP), f"openai|{NAME}", "not ours")
    await client.execute_command("DEL", OWN_STREAM)
    assert await state(client) == Handled()
    await client.execute_command("SET", KEYS.recovered_data(GROUP), "no hash")
    assert await state(client) == Handled(), "a record for people decides nothing"


async def test_nothing_is_claimed_where_redis_refuses_a_key(client):
    delivery = await taken(client)
    await client.execute_command("XACK", STREAM, GROUP, delivery.entry_id)
    await client.execute_command("SET", KEYS.delayed_data(GROUP), "no hash")
    found = await state(client)
    assert isinstance(found, Unknown)
    assert KEYS.delayed_data(GROUP) in found.error


async def test_nothing_is_claimed_of_what_was_not_looked_through(client):
    delivery = await taken(client)
    await client.execute_command("XACK", STREAM, GROUP, delivery.entry_id)
    await redeliver(client, *(f"wh_{i}" for i in range(2, 700)))
    found = await in_group(client, most=200)
    assert [type(each) for each in found.states] == [Unknown]
    assert found.left_out == 498
    assert await state(client) == Handled()


async def test_a_retry_far_back_in_a_long_stream_is_found(client):
    await stored(client)
    await take(client, "me")
    await redeliver(client, *(f"wh_{i}" for i in range(2, 700)), NAME)
    assert [type(each) for each in (await in_group(client)).states] == [InHand, Redelivery]


async def test_a_consumer_group_of_others_counts_as_well(client):
    await stored(client)
    await client.execute_command("XGROUP", "CREATE", STREAM, "theirs", "0")
    assert isinstance((await life(client)).groups["theirs"].states[0], NotReached)


async def test_a_retry_that_moves_on_meanwhile_is_never_taken_for_handled(client):
    delivery = await taken(client)
    await register(client, "me")
    await park(client, delivery, 1)

    async def go_round() -> None:
        nonlocal delivery
        for _ in range(150):
            await promote(client, delivery.name, now_ms=now_ms())
            (delivery,) = await take(client, "me", own=True)
            await park(client, delivery, 1)

    moving = asyncio.create_task(go_round())
    seen = set()
    while not moving.done():
        seen |= {type(each) for each in (await in_group(client)).states}
    await moving
    assert Handled not in seen
    assert seen <= {Retry, Redelivery, InHand}
    assert len(seen) > 1, "it did move"
    assert OWN_STREAM


async def test_a_dead_letter_is_found_by_its_name_among_any_number_and_others_stay_handled(client):
    await stored(client, NAME, "wh_handled")
    for delivery in await take(client, "me"):
        await client.execute_command("XACK", STREAM, GROUP, delivery.entry_id)
    await store_letters(client, letter(NAME), *(letter(f"wh_other_{i}") for i in range(3000)))
    assert [type(each) for each in (await in_group(client, most=1)).states] == [Dead]
    found = await in_group(client, "wh_handled", most=1)
    assert found.states == (Handled(),), "a later letter of an id has a first one, which would have been found"
    assert found.left_out > 1000


async def test_nothing_is_claimed_where_a_record_of_it_cannot_be_read(client):
    delivery = await taken(client)
    await client.execute_command("XACK", STREAM, GROUP, delivery.entry_id)
    for key, name in ((KEYS.dead_data(GROUP), NAME), (KEYS.delayed_data(GROUP), f"{TYPE}||1-0")):
        await client.execute_command("HSET", key, name, f"of a later release: {NAME}", "other", "of another")
        found = await state(client)
        assert found == Unknown(f"{key}: a record of it cannot be read by this release")
        await client.execute_command("DEL", key)
    await client.execute_command("XADD", OWN_STREAM, "*", "id", NAME)
    assert isinstance(await state(client), Unknown)

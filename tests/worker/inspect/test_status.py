import time

import pytest
from msgspec import UNSET

from hookbus.shared import ingest_record
from hookbus.shared.ingest_record import IngestRecord
from hookbus.shared.keys import HANDOVER, HOME, QUARANTINED, Keys
from hookbus.worker.inspect import status
from hookbus.worker.inspect.group_status import GroupStatus, TypeStatus
from hookbus.worker.inspect.status import Status
from hookbus.worker.inventory import registry
from hookbus.worker.inventory.lag import MAX_COUNTED
from tests.worker.builders import a_membership
from tests.worker.dead_letters import create_groups, letter, store_letters
from tests.worker.inspect.stored import KEYS, MAIN, TYPE, add

pytestmark = pytest.mark.both_loops

OWN = KEYS.redelivery(TYPE, "billing")


async def read(client, stream: str, count: int) -> list[bytes]:
    reply = await client.execute_command("XREADGROUP", "GROUP", "billing", "c", "COUNT", count, "STREAMS", stream, ">")
    return [entry_id for entry_id, _ in reply[0][1]]


async def lag(client, stream: str):
    (flat,) = await client.execute_command("XINFO", "GROUPS", stream)
    return dict(zip(flat[::2], flat[1::2], strict=True))[b"lag"]


async def types_of(client, group: str = "billing") -> dict[str, TypeStatus]:
    return (await status.fetch(client, 1)).groups[group].types


async def test_backlog_and_in_flight_add_up_over_shards_and_redeliveries(client):
    await create_groups(client, shards=2)
    for shard in (Keys(0), Keys(1)):
        await a_membership(client, shard, "billing", "earliest").join([TYPE, "batch.failed"])
        await add(client, shard.stream(TYPE), 5, age_s=100, types=shard.types)
        await add(client, shard.redelivery(TYPE, "billing"), 3, age_s=50, types=shard.types)
    await read(client, MAIN, 2)
    await read(client, OWN, 1)
    found = await status.fetch(client, 1)
    assert (found.shards, found.orphans) == (2, {})
    (entry,) = found.groups["billing"].types.values()
    assert (entry.backlog, entry.in_flight) == (2 * 8 - 3, 3)
    assert 100 <= entry.oldest_age_s < 200


@pytest.mark.parametrize(
    ("read_count", "ack_count", "oldest"),
    [(0, 0, 300), (1, 0, 300), (1, 1, 200), (2, 1, 200), (2, 2, 100), (3, 3, None)],
)
async def test_the_oldest_age_covers_deliveries_in_flight_and_backlog(client, read_count, ack_count, oldest):
    await create_groups(client)
    await a_membership(client, KEYS, "billing", "earliest").join([TYPE])
    for age_s in (300, 200, 100):
        await add(client, MAIN, age_s=age_s)
    ids = await read(client, MAIN, read_count) if read_count else []
    if ack_count:
        await client.execute_command("XACK", MAIN, "billing", *ids[:ack_count])
    entry = (await types_of(client))[TYPE]
    assert (entry.backlog, entry.in_flight) == (3 - read_count, read_count - ack_count)
    assert entry.oldest_age_s == (None if oldest is None else pytest.approx(oldest, abs=30))


async def test_redeliveries_are_counted_where_redis_reports_no_lag(client):
    await create_groups(client)
    await a_membership(client, KEYS, "billing", "earliest").join([TYPE])
    await add(client, OWN, 3, age_s=60)
    ids = await read(client, OWN, 3)
    await client.execute_command("XACK", OWN, "billing", ids[2])
    await client.execute_command("XDEL", OWN, ids[2])
    await add(client, OWN, MAX_COUNTED + 2)
    assert await lag(client, OWN) is None
    entry = (await types_of(client))[TYPE]
    assert (entry.backlog, entry.in_flight, entry.backlog_is_minimum) == (MAX_COUNTED + 2, 2, UNSET)
    assert 60 <= entry.oldest_age_s < 120


async def test_the_backlog_of_a_group_that_started_amid_a_stream_is_counted(client):
    await create_groups(client, "billing")
    for age_s in (300, 200, 100):
        await add(client, MAIN, 2, age_s=age_s)
    await client.execute_command("XGROUP", "CREATE", MAIN, "billing", f"{int((time.time() - 250) * 1000)}-0")
    assert await lag(client, MAIN) is None
    entry = (await types_of(client))[TYPE]
    assert (entry.backlog, entry.in_flight) == (4, 0)
    assert 200 <= entry.oldest_age_s < 250


async def test_a_count_at_its_limit_is_marked_as_a_minimum(client):
    await create_groups(client, "billing")
    for age_s in (300, 100):
        await add(client, MAIN, MAX_COUNTED + 1, age_s=age_s)
    await client.execute_command("XGROUP", "CREATE", MAIN, "billing", f"{int((time.time() - 250) * 1000)}-0")
    assert await lag(client, MAIN) is None
    entry = (await types_of(client))[TYPE]
    assert (entry.backlog, entry.backlog_is_minimum) == (MAX_COUNTED, True)


async def test_redeliveries_without_a_group_on_their_stream_are_backlog(client):
    await create_groups(client, "billing")
    await add(client, OWN, 2, age_s=10)
    await client.execute_command("XGROUP", "DESTROY", OWN, "billing")
    entry = (await types_of(client))[TYPE]
    assert (entry.backlog, entry.in_flight) == (2, 0)
    assert entry.oldest_age_s >= 10


async def test_stored_types_have_a_row_and_others_have_none(client):
    await create_groups(client)
    await a_membership(client, KEYS, "billing", "earliest").join([TYPE, "batch.failed", "batch.expired"])
    await add(client, MAIN)
    ids = await read(client, MAIN, 1)
    await client.execute_command("XACK", MAIN, "billing", *ids)
    assert await types_of(client) == {TYPE: TypeStatus(0, 0, None)}


async def test_a_type_without_a_group_is_an_orphan(client):
    await create_groups(client)
    await a_membership(client, KEYS, "billing", "earliest").join([TYPE])
    await add(client, KEYS.stream("odd.type"), 3, event_type="odd.type")
    found = await status.fetch(client, 1)
    assert found.orphans == {"odd.type": 3}
    assert found.groups["billing"].types == {}


async def test_a_group_has_its_consumers_delayed_dead_letters_and_losses(client):
    await create_groups(client, "billing", "phone", shards=2)
    for shard in (Keys(0), Keys(1)):
        for name in ("alive", "gone", HANDOVER, "child.quarantine"):
            await client.execute_command("HSET", shard.consumers("billing"), name, "{}")
        for name in ("alive", "child.quarantine"):
            await client.execute_command("SET", shard.alive(name), 1)
    await client.execute_command("ZADD", Keys(0).delayed("billing"), 7000, "a", 5000, "b")
    await client.execute_command("ZADD", Keys(1).delayed("billing"), 6000, "c")
    await client.execute_command("HSET", KEYS.losses, "billing", 2)
    await store_letters(client, *(letter(f"wh_{i}") for i in range(9)), shards=2)
    found = await status.fetch(client, 1)
    expected = GroupStatus(consumers_alive=1, consumers=2, delayed=3, next_due_ms=5000, dead=9, losses=2)
    assert found.groups == {"billing": expected, "phone": GroupStatus()}


async def test_an_unused_redis_is_empty_and_stays_empty(client):
    assert await status.fetch(client, 4) == Status()
    assert await client.execute_command("DBSIZE") == 0


async def test_g3_a_group_with_waiting_events_and_no_worker_for_long_is_abandoned(client):
    await create_groups(client, "idle", "busy", "fresh", "strange", shards=2)
    minutes_ago = {"idle": 10, "busy": 10, "fresh": 4}
    for name, minutes in minutes_ago.items():
        for shard, more in ((Keys(0), 60), (Keys(1), 0)):
            last_ms = int((time.time() - (minutes + more) * 60) * 1000)
            await client.execute_command("HSET", shard.worked, name, last_ms)
    await client.execute_command("HSET", KEYS.consumers("busy"), "c", "{}")
    await client.execute_command("SET", KEYS.alive("c"), 1)
    assert [group.abandoned_s for group in (await status.fetch(client, 1)).groups.values()] == [None] * 4
    for name in ("idle", "busy", "fresh", "strange"):
        await client.execute_command("ZADD", KEYS.delayed(name), 1, "a")
    found = (await status.fetch(client, 1)).groups
    assert {name: group.abandoned_s for name, group in found.items() if group.abandoned_s} == {
        "idle": pytest.approx(600, abs=30)
    }


async def test_a_subscribed_type_is_backlog_before_the_group_is_on_its_stream(client):
    await a_membership(client, KEYS, "billing", "earliest", ["response.*"]).join(["response.failed"])
    await create_groups(client)
    await add(client, MAIN, 3, age_s=10)
    await add(client, KEYS.stream("odd.type"), 2, event_type="odd.type")
    await a_membership(client, KEYS, "all", "earliest", ["*"]).join([TYPE, "odd.type"])
    await add(client, KEYS.stream("hookbus.own"), 1, event_type="hookbus.own")
    found = await status.fetch(client, 1)
    assert found.orphans == {"hookbus.own": 1}
    assert (found.groups["billing"].types[TYPE].backlog, found.groups["billing"].unhandled) == (3, 3)


async def test_dropped_dead_letters_are_counted_over_shards(client):
    await create_groups(client, "billing", shards=2)
    for shard in (Keys(0), Keys(1)):
        await client.execute_command("HSET", shard.dropped, "billing", 3)
    assert (await status.fetch(client, 1)).groups["billing"].dropped == 6


async def test_snoozed_deliveries_are_counted_with_since_and_until_when_the_longest_waits(client):
    await create_groups(client, "billing", "phone", shards=2)
    for number, keys in enumerate((Keys(0), Keys(1))):
        for member, due_ms, since_ms in (("a|", 9_000, 50), ("b|", 8_000 + number, 20 - number), ("c|", 7_000, None)):
            await client.execute_command("ZADD", keys.delayed("billing"), due_ms, member)
            if since_ms is not None:
                await client.execute_command("ZADD", keys.snoozed("billing"), since_ms, member)
    groups = (await status.fetch(client, 1)).groups
    billing, phone = groups["billing"], groups["phone"]
    assert (billing.delayed, billing.next_due_ms) == (6, 7_000)
    assert (billing.snoozed, billing.snoozed_since_ms, billing.snoozed_until_ms) == (4, 19, 8_001)
    assert (phone.snoozed, phone.snoozed_since_ms, phone.snoozed_until_ms) == (0, None, None)


async def test_events_trimmed_before_a_group_read_them_are_no_backlog(client):
    await create_groups(client)
    await a_membership(client, KEYS, "billing", "earliest").join([TYPE])
    await add(client, MAIN, 3)
    await client.execute_command("XTRIM", MAIN, "MAXLEN", 0)
    entry = (await types_of(client))[TYPE]
    assert (entry.backlog, entry.oldest_age_s) == (0, None)


async def test_a_consumer_group_not_created_by_hookbus_is_marked_foreign(client):
    await create_groups(client, "billing")
    await add(client, MAIN, 2)
    await client.execute_command("XGROUP", "CREATE", MAIN, "audit", "0")
    found = (await status.fetch(client, 1)).groups
    assert (found["audit"].is_foreign, found["billing"].is_foreign) == (True, UNSET)


async def test_living_processes_are_counted_once_whatever_groups_they_work_for(client):
    await create_groups(client, "billing", "phone")
    now_ms = await registry.now_ms(client)
    for name, is_alive in {"a.1.b": True, "b.1.c": False, f"a.2.d{QUARANTINED}": True}.items():
        for group in ("billing", "phone"):
            await client.execute_command("HSET", KEYS.consumers(group), name, "{}")
        if is_alive:
            await client.execute_command("SET", KEYS.alive(name), 1)
    for name, at_ms in {"i.1.a": now_ms, "i.2.b": 1}.items():
        await client.execute_command("HSET", HOME.ingests, name, ingest_record.encode(IngestRecord(at_ms, 1)))
    assert (await status.fetch(client, 1)).processes == 2

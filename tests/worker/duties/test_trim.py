import asyncio

import pytest

from hookbus.shared import scripts
from hookbus.shared.clock import now_ms
from hookbus.shared.connection import parse_info
from hookbus.shared.patterns import patterns_of
from hookbus.worker.duties import trim
from hookbus.worker.duties.trim import Trimmer
from hookbus.worker.settings import WorkerSettings
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, STREAM, TYPE, commandstats, join, store, take
from tests.worker.chores import CHORES

NOW = now_ms()


def ago(ms: int) -> str:
    return f"{NOW - ms}-0"


def trimmer(
    client, *, handled_s: float = 3600, orphaned_s: float = 7200, max_events: int = 1000, stopping=None
) -> Trimmer:
    settings = WorkerSettings(retention_s=handled_s, orphan_retention_s=orphaned_s, retention_events=max_events)
    return Trimmer(client, KEYS, CHORES, stopping or asyncio.Event(), settings)


def call(*, handled: str = "0-0", orphaned: str = "0-0", max_events: int = 1000, limit: int = 1000) -> scripts.Call:
    covering = " ".join(patterns_of(TYPE))
    return scripts.Call(
        scripts.TRIM, (STREAM, KEYS.groups, KEYS.patterns), (covering, handled, orphaned, max_events, limit)
    )


async def old(client, *names: str, hours_ago: float = 5) -> list[bytes]:
    """Store events of some hours ago, a second apart."""
    ids = [f"{NOW - round(hours_ago * 3_600_000) + i * 1000}-0" for i in range(len(names))]
    return [
        entry
        for name, entry_id in zip(names, ids, strict=True)
        for entry in await store(client, name, entry_id=entry_id)
    ]


async def ack(client, *deliveries, group: str = GROUP) -> None:
    await client.execute_command("XACK", STREAM, group, *(in_flight.entry_id for in_flight in deliveries))


async def remaining(client) -> list[bytes]:
    return [fields[1] for _, fields in await client.execute_command("XRANGE", STREAM, "-", "+")]


async def test_events_that_all_groups_handled_are_trimmed_after_the_retention_time(client):
    await join(client)
    await old(client, "a", "b", "c")
    await ack(client, *await take(client, "me"))
    assert await trimmer(client).trim() == 2
    # The last delivered entry marks the position and stays.
    assert await remaining(client) == [b"c"]


async def test_g3_an_event_that_some_group_has_not_handled_is_never_trimmed(client):
    """For each reason: pending, not delivered, or a second group that is behind."""
    await join(client)
    await old(client, "a", "b", "c")
    await take(client, "me")
    assert await trimmer(client, handled_s=1, orphaned_s=1).trim() == 0
    assert await remaining(client) == [b"a", b"b", b"c"]


async def test_g3_an_entry_that_is_pending_stays_with_all_that_came_after_it(client):
    await join(client)
    await old(client, "a", "b", "c", "d")
    a, _, c, d = await take(client, "me")
    await ack(client, a, c, d)
    assert await trimmer(client).trim() == 1
    assert await remaining(client) == [b"b", b"c", b"d"]


async def test_g3_an_entry_that_was_not_delivered_yet_stays(client):
    await join(client)
    await old(client, "a", "b", "c")
    await ack(client, *await take(client, "me", 2))
    assert await trimmer(client).trim() == 1
    assert await remaining(client) == [b"b", b"c"]


async def test_g3_a_group_that_never_read_anything_keeps_everything(client):
    await join(client)
    await join(client, group="slow")
    await old(client, "a", "b")
    await ack(client, *await take(client, "me"))
    assert await trimmer(client).trim() == 0


async def test_g3_the_slowest_group_decides(client):
    await join(client)
    await join(client, group="slow")
    await old(client, "a", "b", "c", "d")
    await ack(client, *await take(client, "me"))
    await ack(client, *await take(client, "me", 2, group="slow"), group="slow")
    assert await trimmer(client).trim() == 1
    assert await remaining(client) == [b"b", b"c", b"d"]


async def test_g3_a_group_created_before_the_cut_misses_no_event_after_it(client):
    await old(client, "a", "b")
    await join(client)
    assert await trimmer(client, orphaned_s=1).trim() == 0


async def test_handled_entries_that_are_young_stay_for_replay(client):
    await join(client)
    await old(client, "a", "b")
    await old(client, "c", "d", hours_ago=0.5)
    await ack(client, *await take(client, "me"))
    assert await trimmer(client).trim() == 2
    assert await remaining(client) == [b"c", b"d"]


@pytest.mark.parametrize(("hours_ago", "stays"), [(1.5, True), (2.5, False)])
async def test_orphans_stay_for_their_own_retention_time(client, hours_ago, stays):
    await old(client, "a", hours_ago=hours_ago)
    assert await trimmer(client, handled_s=1, orphaned_s=7200).trim() == (0 if stays else 1)


async def test_trim_removes_nothing_that_a_group_got_back_before_the_call(client):
    """Check and trim are one script: a redelivered or recreated group comes entirely before or after it."""
    await join(client)
    await old(client, "a", "b", "c")
    await ack(client, *await take(client, "me"))
    trim = call(handled=ago(3_600_000), orphaned=ago(7_200_000))
    reset = client.execute_command("XGROUP", "SETID", STREAM, GROUP, "0")
    results = await asyncio.gather(reset, scripts.run(client, trim), scripts.run(client, trim))
    assert results[1:] == [[0, 0], [0, 0]]
    assert await remaining(client) == [b"a", b"b", b"c"]


async def test_g3_when_memory_is_short_handled_events_are_trimmed_at_once_and_nothing_else(client, monkeypatch):
    monkeypatch.setattr(trim, "POLL_S", 0.01)
    await join(client)
    await store(client, "a", "b", "c", "d")
    in_flight = await take(client, "me", 3)
    await ack(client, *in_flight[:2])
    duty = trimmer(client)
    running = asyncio.create_task(duty.run())
    try:
        await until(lambda: _has_looked(client))
        assert await remaining(client) == [b"a", b"b", b"c", b"d"]
        used = parse_info(await client.execute_command("INFO", "memory"))["used_memory"]
        await client.execute_command("CONFIG", "SET", "maxmemory", used)
        await until(lambda: _has_trimmed(client))
        assert await remaining(client) == [b"c", b"d"]
    finally:
        await client.execute_command("CONFIG", "SET", "maxmemory", 0)
        duty._stopping.set()
        await running


async def _has_looked(client) -> bool:
    return (await commandstats(client)).get("info", 0) > 10


async def _has_trimmed(client) -> bool:
    return await client.execute_command("XLEN", STREAM) < 4


async def test_ids_are_compared_as_numbers(client):
    await join(client)
    for number in (9, 10, 11):
        await store(client, f"wh_{number}", entry_id=f"1000-{number}")
    await join(client, group="slow")
    await ack(client, *await take(client, "me"))
    await ack(client, *await take(client, "me", 1, group="slow"), group="slow")
    assert await trimmer(client).trim() == 0
    await ack(client, *await take(client, "me", 1, group="slow"), group="slow")
    assert await trimmer(client).trim() == 1
    assert await remaining(client) == [b"wh_10", b"wh_11"]


@pytest.mark.parametrize("joins", [True, False])
async def test_ages_count_from_a_streams_last_id_where_redis_clock_was_ahead(client, joins):
    if joins:
        await join(client)
    await old(client, "wh_old", hours_ago=5 - 24)
    await old(client, "wh_young", hours_ago=1.5 - 24)
    await store(client, "wh_last", entry_id=f"{NOW + 24 * 3_600_000}-0")
    if joins:
        await ack(client, *await take(client, "me"))
    assert await trimmer(client, handled_s=2 * 3600, orphaned_s=2 * 3600).trim() == 1
    assert await remaining(client) == [b"wh_young", b"wh_last"]


async def test_redeliveries_are_never_trimmed(client):
    await join(client)
    await store(client, "wh_1")
    own = KEYS.redelivery(TYPE, GROUP)
    await client.execute_command("XADD", own, "1-0", "id", "wh_2", "src", "s", "at", 1, "body", "{}")
    await trimmer(client, handled_s=0.001, orphaned_s=0.001).trim()
    assert await client.execute_command("XLEN", own) == 1


async def test_trimming_does_not_create_a_missing_stream(client):
    await client.execute_command("SADD", KEYS.types, TYPE)
    assert await trimmer(client).trim() == 0
    assert await client.execute_command("EXISTS", STREAM) == 0


async def test_the_duty_trims_periodically_and_stops_at_once(client, monkeypatch):
    monkeypatch.setattr(trim, "INTERVAL_S", 0.01)
    await join(client)
    await old(client, "a", "b")
    await ack(client, *await take(client, "me"))
    stopping = asyncio.Event()
    running = asyncio.create_task(trimmer(client, stopping=stopping).run())
    await until(lambda: _is_trimmed(client))
    monkeypatch.setattr(trim, "INTERVAL_S", 3600)
    stopping.set()
    async with asyncio.timeout(1):
        await running


async def _is_trimmed(client) -> bool:
    return await remaining(client) == [b"b"]

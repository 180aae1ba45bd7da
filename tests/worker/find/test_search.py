"""Which events are found by an id, and by which way. What groups have to do with them: `test_lives`."""

import asyncio

from hookbus.ingest import commit
from hookbus.ingest.commit import Received
from hookbus.shared import ingest_record, keys, scripts
from hookbus.shared.clock import now_ms
from hookbus.shared.dedupe import DAY_MS, digest_of
from hookbus.shared.ingest_record import IngestRecord
from hookbus.shared.keys import Keys, shard_of
from hookbus.worker.find import scan, search
from hookbus.worker.find.life import Dead, Handled, NotReached, Trimmed
from hookbus.worker.find.search import EVERYTHING, Limits
from tests.worker.builders import GROUP, KEYS, STREAM, TYPE, store
from tests.worker.dead_letters import create_groups, letter, store_letters, subscribe
from tests.worker.retained_events import hand_out, retain

HOUR_MS = 3_600_000


async def find(client, name: str, limits: Limits | None = None, **options):
    return await search.find(client, 1, name, limits or Limits(), **options)


async def content(client) -> dict[bytes, bytes]:
    return {key: await client.execute_command("DUMP", key) for key in await client.execute_command("KEYS", "*")}


async def remember(client, name: str, at_ms: int, source: str = "openai", shards: int = 1) -> None:
    shard = Keys(shard_of(name, shards))
    await client.execute_command("SADD", shard.seen(at_ms // DAY_MS), digest_of(source, name))


async def test_an_event_is_found_by_its_webhook_id_on_the_day_that_the_dedupe_window_names(client):
    await subscribe(client, TYPE)
    at_ms = now_ms() - 30 * HOUR_MS
    await retain(client, "wh_1", at_ms=at_ms)
    await retain(client, *(f"wh_later_{i}" for i in range(50)), at_ms=now_ms() - HOUR_MS)
    await remember(client, "wh_1", at_ms)
    found = await find(client, "wh_1")
    assert [life.subject.place.stored_ms for life in found.lives] == [at_ms]
    assert found.entries < 50, "later days are not read"


async def test_it_reached_no_time_ahead_of_now_though_some_streams_were_not_read(client):
    await create_groups(client, GROUP)
    for i in range(scan.STREAMS + 1):
        await store(client, f"wh_{i}", event_type=f"a.{i:02}")
    found = await find(client, "wh_1")
    assert (len(found.lives), found.entries <= scan.STREAMS) == (1, True)
    assert found.reached_ms <= now_ms()
    assert (found.is_partial, found.sources) == (True, {"openai"})


async def test_one_that_is_no_longer_stored_is_trimmed_and_its_day_is_known(client):
    await subscribe(client, TYPE)
    await retain(client, "wh_other")
    await remember(client, "wh_1", now_ms() - 50 * HOUR_MS)
    (life,) = (await find(client, "wh_1")).lives
    assert life.subject.place is None
    assert life.subject.day != ""
    assert life.groups[GROUP].states == (Trimmed(),)


async def test_a_trimmed_one_of_which_a_dead_letter_is_left_has_its_type(client):
    for group, pattern in ((GROUP, "*"), ("audit", "*"), ("mail", "batch.*")):
        await subscribe(client, pattern, group=group)
    await retain(client, "wh_other")
    await store_letters(client, letter("wh_1"))
    await remember(client, "wh_1", now_ms())
    (life,) = (await find(client, "wh_1")).lives
    assert life.subject.type == TYPE
    assert [type(state).__name__ for each in life.groups.values() for state in each.states] == [
        "Handled", "Dead", "NotSubscribed",
    ]  # fmt: skip


async def test_events_of_two_sources_with_one_id_are_two_events(client):
    await subscribe(client, TYPE)
    await retain(client, "wh_1", at_ms=now_ms())
    other = {"id": "wh_1", "src": "shop", "at": now_ms(), "body": "{}"}
    await client.execute_command("SADD", KEYS.types, "shop.order")
    await client.execute_command(
        "XADD", KEYS.stream("shop.order"), "*", *(each for pair in other.items() for each in pair)
    )
    for source in ("openai", "shop"):
        await remember(client, "wh_1", now_ms(), source)
    found = await find(client, "wh_1")
    assert {(life.subject.source, life.subject.type) for life in found.lives} == {
        ("openai", TYPE), ("shop", "shop.order"),
    }  # fmt: skip


async def test_an_id_in_the_body_is_found_newest_first(client):
    await subscribe(client, TYPE)
    now = now_ms()
    await store(client, "wh_old", entry_id=f"{now - HOUR_MS}-0", id="resp_1")
    await store(client, "wh_new", entry_id=f"{now - 1000}-0", id="resp_1")
    found = await find(client, "resp_1")
    assert [life.subject.webhook_id for life in found.lives] == ["wh_new", "wh_old"]


async def test_a_scan_ends_at_four_hours_unless_it_is_asked_on(client):
    await subscribe(client, TYPE)
    now = now_ms()
    await store(client, "wh_1", entry_id=f"{now - 5 * HOUR_MS}-0", id="resp_1")
    found = await find(client, "resp_1")
    assert found.lives == []
    assert now - 4 * HOUR_MS <= found.reached_ms <= now_ms() - 4 * HOUR_MS
    assert len((await find(client, "resp_1", Limits(now - 6 * HOUR_MS))).lives) == 1
    assert len((await find(client, "resp_1", EVERYTHING)).lives) == 1


async def test_an_empty_redis_holds_nothing(client):
    found = await find(client, "wh_1")
    assert (found.lives, found.entries, found.records) == ([], 0, 0)


async def test_dead_letters_and_retries_come_before_the_events(client):
    await subscribe(client, TYPE)
    await retain(client, *(f"wh_{i}" for i in range(100)), at_ms=now_ms() - 1000)
    body = b'{"id":"evt_1","type":"response.completed","data":{"id":"resp_1"}}'
    await store_letters(client, letter("wh_old", body=body), letter("wh_other"))
    found = await find(client, "resp_1")
    assert [life.subject.webhook_id for life in found.lives] == ["wh_old"]
    assert (found.records, found.entries) == (2, 0)


async def test_a_dead_letter_older_than_the_dedupe_window_is_found_by_its_id_with_its_event(client):
    await subscribe(client, TYPE)
    at_ms = 1_700_000_000_000 - 60_000  # as the letter says
    await retain(client, "wh_1", at_ms=at_ms + 1500)
    await hand_out(client)
    await store_letters(client, letter("wh_1"))
    (life,) = (await find(client, "wh_1")).lives
    assert life.subject.place.stored_ms == at_ms + 1500
    assert [type(state) for state in life.groups[GROUP].states] == [Dead]


async def test_the_time_in_an_id_is_looked_at_first_however_long_ago(client):
    await subscribe(client, TYPE)
    name = f"resp_{1_700_000_000:08x}{'0' * 24}"
    await store(client, "wh_1", entry_id="1700000003000-0", data={"id": name})
    await retain(client, *(f"wh_later_{i}" for i in range(500)), at_ms=now_ms() - 1000)
    found = await find(client, name)
    assert [life.subject.webhook_id for life in found.lives] == ["wh_1"]
    assert (found.entries, found.until_ms) == (1, 1_700_000_000_000 + search.AFTER_MS)


async def test_every_shard_is_searched_and_a_webhook_id_in_its_own(client):
    names = [f"wh_{i}" for i in range(12)]
    await subscribe(client, TYPE, shards=3)
    await retain(client, *names, at_ms=now_ms() - 1000, shards=3)
    for name in names:
        await remember(client, name, now_ms(), shards=3)
        (life,) = (await search.find(client, 3, name)).lives
        assert life.subject.keys == Keys(shard_of(name, 3))
        assert [type(state) for state in life.groups[GROUP].states] == [NotReached]


async def test_a_stop_ends_the_search_with_what_was_read(client):
    await subscribe(client, TYPE)
    await retain(client, *(f"wh_{i}" for i in range(500)), at_ms=now_ms() - 1000)
    stopping = asyncio.Event()
    found = await find(client, "resp_1", progress=lambda _: stopping.set(), stopping=stopping)
    assert found.is_stopped
    assert found.entries < 500


async def test_at_most_twenty_events_are_shown_and_the_bound_of_entries_holds(client):
    await subscribe(client, TYPE)
    await store(client, *(f"wh_{i}" for i in range(30)), data={"id": "sess_1"})
    found = await find(client, "sess_1")
    assert found.may_have_older
    found = await find(client, "sess_1", EVERYTHING)
    assert (len(found.lives), found.may_have_older) == (search.MOST_EVENTS, False)
    await retain(client, *(f"wh_x{i}" for i in range(3000)), event_type="batch.failed", at_ms=now_ms() - 60_000)
    assert (await find(client, "sess_2", Limits(most=500))).entries <= 1500


async def test_a_search_writes_nothing(client):
    await subscribe(client, TYPE)
    await retain(client, "wh_1", at_ms=now_ms())
    await hand_out(client)
    await store_letters(client, letter("wh_2"))
    before = await content(client)
    assert (await find(client, "wh_1")).lives[0].groups[GROUP].states == (Handled(),)
    assert (await find(client, "wh_2")).lives
    assert (await find(client, "evt_nothing", EVERYTHING)).lives == []
    assert await content(client) == before


async def test_the_sources_of_ingest_processes_tell_of_events_that_are_all_trimmed(client):
    await subscribe(client, TYPE)
    await remember(client, "wh_1", now_ms(), "shop")
    assert (await find(client, "wh_1")).lives == []
    record = ingest_record.encode(IngestRecord(1, 1, sources=("openai", "shop")))
    await client.execute_command("HSET", keys.HOME.ingests, "host.1.abcd", record)
    (life,) = (await find(client, "wh_1")).lives
    assert (life.subject.source, life.subject.place) == ("shop", None)


async def test_nothing_is_called_trimmed_after_a_stop_or_where_a_stream_is_refused(client):
    await subscribe(client, TYPE)
    await retain(client, *(f"wh_{i}" for i in range(500)), at_ms=now_ms() - 1000)
    await remember(client, "wh_gone", now_ms())
    assert len((await find(client, "wh_gone")).lives) == 1
    stopping = asyncio.Event()
    found = await find(client, "wh_gone", progress=lambda _: stopping.set(), stopping=stopping)
    assert (found.lives, found.is_complete) == ([], False)
    await client.execute_command("SADD", KEYS.types, "broken.type")
    await client.execute_command("SET", KEYS.stream("broken.type"), "no stream")
    found = await find(client, "wh_gone")
    assert (found.lives, list(found.unusable)) == ([], [KEYS.stream("broken.type")])
    assert not found.is_complete


async def test_a_search_of_everything_is_complete_and_one_of_four_hours_is_not(client):
    await subscribe(client, TYPE)
    await retain(client, "wh_1")
    assert (await find(client, "evt_2", EVERYTHING)).is_complete
    assert not (await find(client, "evt_2")).is_complete


async def test_an_id_is_taken_literally(client):
    await subscribe(client, TYPE)
    await hand_out(client)
    await store_letters(client, letter("wh_1"), letter("w*[x]?\\"), letter("w*[x]?\\~5-0"))
    assert (await find(client, "w*")).lives == []
    (life,) = (await find(client, "w*[x]?\\")).lives
    assert [state.letter for state in life.groups[GROUP].states] == ["w*[x]?\\"]


async def test_no_event_has_an_empty_id_or_one_that_is_no_text(client):
    await subscribe(client, TYPE)
    await retain(client, "wh_1", at_ms=now_ms() - 1000)
    for name in ("", "wh_\udcff", "\x00", "é" * 5000):
        assert (await find(client, name)).lives == []


async def test_what_ingest_stores_is_found_on_its_day_by_source_and_id(client):
    await subscribe(client, TYPE)
    received = [Received(TYPE, f"wh_{i}", "openai", now_ms(), b"{}") for i in range(300)]
    assert await scripts.run(client, commit.store(KEYS, received, 5)) == b"1" * 300
    (life,) = (await find(client, "wh_7")).lives
    assert life.subject.entry.webhook_id == "wh_7"
    await client.execute_command("DEL", STREAM)
    await retain(client, "wh_other")
    (life,) = (await find(client, "wh_7")).lives
    assert (life.subject.place, life.groups[GROUP].states) == (None, (Trimmed(),))

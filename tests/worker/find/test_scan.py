"""The scan of event streams."""

import asyncio
import itertools

import pytest
from redis.exceptions import ResponseError

from hookbus.shared.keys import Keys
from hookbus.worker.find import scan
from hookbus.worker.find.scan import FIRST, MOST, Bounds
from tests.worker.builders import KEYS, STREAM, TYPE, store
from tests.worker.retained_events import AT_MS, retain

TYPES = [(KEYS, TYPE), (KEYS, "batch.completed")]


def named(*names: str):
    return lambda entry: entry.webhook_id in names


async def test_it_ends_with_the_newest_match_of_all_streams(client):
    await retain(client, *(f"wh_{i}" for i in range(1000)))
    await retain(client, "wh_7", event_type="batch.completed", at_ms=AT_MS + 5000)
    found = await scan.scan(client, TYPES, Bounds(), b"", named("wh_7"))
    assert [match.type for match in found.matches] == ["batch.completed"]
    assert found.entries <= FIRST + 1


async def test_every_entry_is_read_once_and_the_time_reached_is_told(client):
    await retain(client, *(f"wh_{i}" for i in range(2500)))
    await retain(client, *(f"wh_b{i}" for i in range(300)), event_type="batch.completed")
    steps, seen = [], []
    found = await scan.scan(
        client,
        TYPES,
        Bounds(),
        b"wh_",
        lambda entry: seen.append(entry.webhook_id),
        progress=lambda *step: steps.append(step),
    )
    assert (found.entries, found.reached_ms) == (2800, 0)
    assert len(seen) == len(set(seen)) == 2800
    assert [entries for entries, _ in steps] == sorted(entries for entries, _ in steps)
    assert steps[-1] == (2800, 0)


async def test_bounds_are_times_and_a_number(client):
    await retain(client, *(f"wh_{i}" for i in range(1000)))
    found = await scan.scan(client, TYPES, Bounds(AT_MS + 10, AT_MS + 12), b"", named("wh_11"))
    assert [match.entry_id for match in found.matches] == [f"{AT_MS + 11}-0"]
    assert found.entries == 3
    assert (await scan.scan(client, TYPES, Bounds(AT_MS + 10, AT_MS + 12), b"", named("wh_13"))).matches == []
    await retain(client, *(f"wh_later_{i}" for i in range(2000)), at_ms=AT_MS + 1000)
    found = await scan.scan(client, TYPES, Bounds(most=100), b"", named("wh_0"))
    assert 100 <= found.entries < 100 + MOST
    assert found.reached_ms == AT_MS + 3000 - found.entries, "so far back all is read"


async def test_large_bodies_are_read_few_at_a_time(client):
    await store(client, *(f"wh_{i}" for i in range(40)), filler="x" * 300_000)
    steps = []
    await scan.scan(client, TYPES, Bounds(), b"", named(), progress=lambda entries, _: steps.append(entries))
    assert max(b - a for a, b in itertools.pairwise(steps)) <= FIRST


async def test_a_stop_ends_it(client):
    await retain(client, *(f"wh_{i}" for i in range(1000)))
    stopping = asyncio.Event()
    found = await scan.scan(
        client, TYPES, Bounds(), b"", named("wh_0"), progress=lambda *_: stopping.set(), stopping=stopping
    )
    assert (found.matches, found.entries) == ([], FIRST)


async def test_entries_of_others_and_keys_of_another_type_are_left_out(client):
    await client.execute_command("XADD", STREAM, "*", "not", "ours")
    await retain(client, "wh_1", event_type="batch.completed")
    await client.execute_command("SET", KEYS.stream("broken.type"), "1")
    found = await scan.scan(client, [*TYPES, (KEYS, "broken.type")], Bounds(), b"", named("wh_1"))
    assert [match.entry.webhook_id for match in found.matches] == ["wh_1"]
    assert list(found.unusable) == [KEYS.stream("broken.type")]


async def test_without_streams_there_is_nothing_to_read(client):
    assert (await scan.scan(client, [], Bounds(5), b"", named())).reached_ms == 5
    with pytest.raises(ResponseError):
        await scan.scan(client, [(Keys(0), TYPE)], Bounds(-1), b"", named())


async def test_a_text_may_be_in_any_field_and_what_is_wanted_decides(client):
    await store(client, "wh_1", "wh_2", "wh_3", id="evt_1", data={"id": "wh_2"})
    found = await scan.scan(client, TYPES, Bounds(), b"wh_2", lambda entry: True, enough=9)
    assert [match.entry.webhook_id for match in found.matches] == ["wh_3", "wh_2", "wh_1"]
    assert (await scan.scan(client, TYPES, Bounds(), b"wh_4", lambda entry: True)).matches == []
    assert len((await scan.scan(client, TYPES, Bounds(), b"wh_2", named("wh_2"))).matches) == 1

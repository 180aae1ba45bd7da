"""Properties of the merged scan, on sets that change during it."""

import random

import pytest

from hookbus.shared.keys import Keys
from hookbus.worker.dlq import cursor
from hookbus.worker.dlq.cursor import Index, MergedScan, count_newer, newest_before

END_MS = 2**50


def index_of(key: str) -> Index:
    return Index(Keys(0), "billing", f"test:{key}")


async def fill(client, key: str, letters: dict[str, int]):
    await client.execute_command("ZADD", f"test:{key}", *(part for name, ms in letters.items() for part in (ms, name)))


async def scanned(scan: MergedScan) -> list[tuple[int, str]]:
    found = []
    while batch := await scan.next():
        found += [(position.dead_lettered_ms, position.name) for position in batch]
    return found


@pytest.mark.parametrize("batch", [1, 7, 1000])
async def test_a_scan_of_several_sets_returns_every_letter_once_oldest_first(client, batch):
    chance = random.Random(7)
    sets = {key: {f"{key}{i}": chance.randrange(40) for i in range(n)} for key, n in (("a", 90), ("b", 5), ("c", 61))}
    for key, letters in sets.items():
        await fill(client, key, letters)
    found = await scanned(MergedScan(client, [index_of(key) for key in (*sets, "empty")], 0, END_MS, batch))
    assert [ms for ms, _ in found] == sorted(ms for letters in sets.values() for ms in letters.values())
    assert sorted(name for _, name in found) == sorted(name for letters in sets.values() for name in letters)


async def test_both_bounds_of_a_scan_are_inclusive(client):
    await fill(client, "a", {str(ms): ms for ms in range(10)})
    assert [ms for ms, _ in await scanned(MergedScan(client, [index_of("a")], 3, 6, 2))] == [3, 4, 5, 6]


async def test_more_letters_of_one_millisecond_than_a_batch_are_all_returned(client):
    await fill(client, "a", {f"wh_{i:03}": 5 for i in range(100)})
    found = await scanned(MergedScan(client, [index_of("a")], 0, END_MS, 3))
    assert [name for _, name in found] == [f"wh_{i:03}" for i in range(100)]


async def test_letters_removed_during_a_scan_hide_no_others(client):
    await fill(client, "a", {f"wh_{i:03}": i // 20 for i in range(200)})
    scan = MergedScan(client, [index_of("a")], 0, END_MS, 10)
    returned, removed = [], set()
    chance = random.Random(1)
    while batch := await scan.next():
        returned += [position.name for position in batch]
        for name in [f"wh_{chance.randrange(200):03}" for _ in range(5)]:
            removed.add(name)
            await client.execute_command("ZREM", "test:a", name)
    assert len(returned) == len(set(returned))
    assert {f"wh_{i:03}" for i in range(200)} - removed <= set(returned)


async def test_letters_added_after_the_end_are_not_returned_so_the_scan_ends(client):
    await fill(client, "a", {f"wh_{i}": i for i in range(20)})
    scan = MergedScan(client, [index_of("a")], 0, 19, 5)
    returned = []
    while batch := await scan.next():
        returned += [position.name for position in batch]
        for position in batch:  # dead-lettered again, after the end
            await client.execute_command("ZADD", "test:a", 100 + position.dead_lettered_ms, position.name)
    assert sorted(returned) == sorted(f"wh_{i}" for i in range(20))


@pytest.mark.parametrize("step_ms", [0, 1, 10])
async def test_pages_before_a_place_have_no_gap_and_no_repeat_newest_first(client, step_ms):
    indexes = [index_of(str(i)) for i in range(3)]
    for i in range(40):
        await client.execute_command("ZADD", indexes[i % 3].key, 1000 + (i // 4) * step_ms, f"wh_{i:02}")
    found: list[tuple[int, str]] = []
    while page := await newest_before(client, indexes, 0, 5000, found[-1] if found else None, 7):
        assert len(page) <= 7
        found += [each[:2] for each in page]
        await client.execute_command("ZADD", indexes[0].key, 4000, f"wh_newer{len(found)}")
    assert found == sorted(found, reverse=True)
    assert [name for _, name in found if "newer" not in name] == [name for _, name in found]
    assert len(set(found)) == 40


@pytest.mark.parametrize("step_ms", [0, 1, 10])
async def test_a_letter_has_as_many_newer_ones_as_stand_before_it(client, step_ms):
    indexes = [index_of(str(i)) for i in range(3)]
    for i in range(40):
        await client.execute_command("ZADD", indexes[i % 3].key, 1000 + (i // 4) * step_ms, f"wh_{i:02}")
    order = [each[:2] for each in await newest_before(client, indexes, 0, 5000, None, 50)]
    assert [await count_newer(client, indexes, place) for place in order] == list(range(40))


async def test_too_many_letters_of_one_millisecond_and_set_are_not_counted(client, monkeypatch):
    monkeypatch.setattr(cursor, "MAX_TIES", 3)
    await fill(client, "a", {f"wh_{i}": 7 for i in range(3)} | {"wh_newer": 8})
    assert await count_newer(client, [index_of("a")], (7, "wh_1")) == 2
    await fill(client, "a", {"wh_3": 7})
    assert await count_newer(client, [index_of("a")], (7, "wh_1")) is None
    assert await count_newer(client, [index_of("a")], (8, "wh_newer")) == 0

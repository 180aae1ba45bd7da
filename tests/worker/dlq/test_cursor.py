"""Properties of the walk, on sets that change under it."""

import random

import pytest

from hookbus.shared.keys import Keys
from hookbus.worker.dlq.cursor import Index, MergedScan

END_MS = 2**50


def source(key: str) -> Index:
    return Index(Keys(0), "billing", f"test:{key}")


async def fill(client, key: str, letters: dict[str, int]):
    await client.execute_command("ZADD", f"test:{key}", *(part for name, ms in letters.items() for part in (ms, name)))


async def walked(walk: MergedScan) -> list[tuple[int, str]]:
    found = []
    while batch := await walk.next():
        found += [(position.dead_lettered_ms, position.name) for position in batch]
    return found


@pytest.mark.parametrize("batch", [1, 7, 1000])
async def test_a_walk_over_several_sets_meets_every_letter_once_and_the_oldest_first(client, batch):
    chance = random.Random(7)
    sets = {key: {f"{key}{i}": chance.randrange(40) for i in range(n)} for key, n in (("a", 90), ("b", 5), ("c", 61))}
    for key, letters in sets.items():
        await fill(client, key, letters)
    found = await walked(MergedScan(client, [source(key) for key in (*sets, "empty")], 0, END_MS, batch))
    assert [ms for ms, _ in found] == sorted(ms for letters in sets.values() for ms in letters.values())
    assert sorted(name for _, name in found) == sorted(name for letters in sets.values() for name in letters)


async def test_a_walk_keeps_to_its_bounds_and_includes_both(client):
    await fill(client, "a", {str(ms): ms for ms in range(10)})
    assert [ms for ms, _ in await walked(MergedScan(client, [source("a")], 3, 6, 2))] == [3, 4, 5, 6]


async def test_more_letters_of_one_millisecond_than_a_batch_holds_are_all_met(client):
    await fill(client, "a", {f"wh_{i:03}": 5 for i in range(100)})
    found = await walked(MergedScan(client, [source("a")], 0, END_MS, 3))
    assert [name for _, name in found] == [f"wh_{i:03}" for i in range(100)]


async def test_what_goes_while_walking_hides_nothing_that_stays(client):
    await fill(client, "a", {f"wh_{i:03}": i // 20 for i in range(200)})
    walk = MergedScan(client, [source("a")], 0, END_MS, 10)
    met, gone = [], set()
    chance = random.Random(1)
    while batch := await walk.next():
        met += [position.name for position in batch]
        for name in [f"wh_{chance.randrange(200):03}" for _ in range(5)]:
            gone.add(name)
            await client.execute_command("ZREM", "test:a", name)
    assert len(met) == len(set(met))
    assert {f"wh_{i:03}" for i in range(200)} - gone <= set(met)


async def test_what_comes_after_the_end_is_not_met_so_the_walk_ends(client):
    await fill(client, "a", {f"wh_{i}": i for i in range(20)})
    walk = MergedScan(client, [source("a")], 0, 19, 5)
    met = []
    while batch := await walk.next():
        met += [position.name for position in batch]
        for position in batch:  # they die again, later than the end
            await client.execute_command("ZADD", "test:a", 100 + position.dead_lettered_ms, position.name)
    assert sorted(met) == sorted(f"wh_{i}" for i in range(20))

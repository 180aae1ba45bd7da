from hookbus.worker.dlq import causes
from hookbus.worker.dlq.filter import Filter
from tests.worker.dead_letters import DEAD_MS, create_groups, letter, opened, store_letters

NOW_MS = DEAD_MS + 2 * causes.HOUR_MS


def test_letters_in_hand_are_summed_by_group_and_fingerprint_most_first():
    old, new = letter("wh_1"), letter("wh_2", dead_lettered_at_ms=NOW_MS - 1, message="newer")
    other = letter("wh_3", reason="rejected")
    found = causes.of_letters([("phone", other), ("billing", old), ("billing", new)], NOW_MS)
    assert [(each.group, each.count, each.last_hour) for each in found] == [("billing", 2, 1), ("phone", 1, 0)]
    assert (found[0].first_ms, found[0].last_ms, found[0].kind.message) == (DEAD_MS, NOW_MS - 1, "newer")


async def test_stored_letters_have_the_same_summaries_as_those_in_hand(client):
    await create_groups(client, "billing", shards=3)
    reasons = ("rejected", "expired", "rejected")
    letters = [letter(f"wh_{i}", dead_lettered_at_ms=DEAD_MS + i, reason=reasons[i % 3]) for i in range(9)]
    await store_letters(client, *letters, shards=3)
    found = await (await opened(client)).summaries(Filter())
    assert found == causes.of_letters([("billing", each) for each in letters], NOW_MS + 10 * causes.HOUR_MS)


async def test_the_deaths_of_the_last_hour_are_counted_by_redis_clock(client):
    seconds, _ = await client.execute_command("TIME")
    now_ms = int(seconds) * 1000
    await create_groups(client, "billing")
    times = (now_ms - 30_000, now_ms - 2 * causes.HOUR_MS)
    await store_letters(client, *(letter(f"wh_{at}", dead_lettered_at_ms=at) for at in times))
    [found] = await (await opened(client)).summaries(Filter())
    assert (found.count, found.last_hour) == (2, 1)


async def test_the_deaths_of_causes_are_counted_from_each_time_to_the_next_in_all_shards(client):
    await create_groups(client, "billing", "audit", shards=3)
    times = (0, 1, 1, 2, 3, 4, 5)
    letters = [letter(f"wh_{i}", dead_lettered_at_ms=DEAD_MS + at) for i, at in enumerate(times)]
    await store_letters(client, *letters, letter("wh_9", dead_lettered_at_ms=DEAD_MS + 1, reason="rejected"), shards=3)
    store = await opened(client)
    exhausted, rejected = await store.summaries(Filter())
    edges = [DEAD_MS, DEAD_MS + 1, DEAD_MS + 2, DEAD_MS + 5]
    assert await store.deaths_of([rejected, exhausted], edges) == [[0, 1, 0], [1, 2, 3]]

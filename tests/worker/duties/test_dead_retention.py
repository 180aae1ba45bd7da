import asyncio

import pytest
from structlog.testing import capture_logs

from hookbus.shared.clock import now_ms
from hookbus.worker.dlq.filter import Filter
from hookbus.worker.duties import dead_retention
from hookbus.worker.duties.dead_retention import DeadRetention
from hookbus.worker.pipeline import metrics
from hookbus.worker.settings import WorkerSettings
from tests.wait import until
from tests.worker.builders import KEYS
from tests.worker.dead_letters import create_groups, keys_left, letter, opened, store_letters

HOUR_MS = 3_600_000


def retention(
    client, *, age_s: float = 0, max_letters: int = 0, stopping: asyncio.Event | None = None
) -> DeadRetention:
    settings = WorkerSettings(dead_retention_s=age_s, dead_retention_events=max_letters)
    return DeadRetention(client, [KEYS], ["billing"], stopping or asyncio.Event(), settings)


async def laid(client, count: int, **changes) -> None:
    """Letters that were dead-lettered as many hours ago as their number; two fingerprints."""
    now = now_ms()
    await create_groups(client, "billing", "phone")
    await store_letters(
        client,
        *(
            letter(f"wh_{i}", dead_lettered_at_ms=now - i * HOUR_MS - 60_000, frame=f"f{i % 2}", **changes)
            for i in range(count)
        ),
    )


async def remaining(client, group: str = "billing") -> list[str]:
    page = await (await opened(client)).page(Filter(groups=(group,)), 10_000)
    return [dead.name for dead in page.letters]


async def dropped(client) -> int:
    return int(await client.execute_command("HGET", KEYS.dropped, "billing") or 0)


async def test_by_default_no_letter_is_dropped_and_redis_gets_no_command(client):
    await laid(client, 3)
    async with asyncio.timeout(1):
        await retention(client).run()
    assert len(await remaining(client)) == 3


@pytest.mark.parametrize(
    ("limits", "stay"),
    [
        ({"age_s": 2 * 3600}, 2),
        ({"max_letters": 3}, 3),
        ({"age_s": 2 * 3600, "max_letters": 3}, 2),
        ({"age_s": 4 * 3600, "max_letters": 3}, 3),
    ],
)
async def test_the_oldest_go_by_age_and_by_number(client, limits, stay):
    await laid(client, 6)
    await retention(client, **limits).round()
    assert await remaining(client) == [f"wh_{i}" for i in range(stay)]
    assert await dropped(client) == 6 - stay


async def test_dropped_letters_are_in_a_log_line_a_metric_and_a_count(client):
    await laid(client, 6)
    before = metrics.DROPPED.labels("billing")._value.get()
    with capture_logs() as logs:
        await retention(client, max_letters=4).round()
        await retention(client, max_letters=4).round()
    [line] = logs
    assert (line["event"], line["log_level"], line["group"], line["count"]) == (
        "dead_letters_dropped",
        "error",
        "billing",
        2,
    )
    assert metrics.DROPPED.labels("billing")._value.get() == before + 2
    assert await dropped(client) == 2


async def test_the_last_letter_of_a_fingerprint_removes_its_index(client):
    await laid(client, 4)
    await retention(client, age_s=60).round()
    assert await keys_left(client) == []


async def test_letters_of_other_groups_stay(client):
    await laid(client, 4, group="phone")
    await retention(client, max_letters=1).round()
    assert len(await remaining(client, "phone")) == 4


async def test_a_letter_is_dropped_and_counted_once_by_several_workers(client):
    await laid(client, 300)
    await asyncio.gather(*(retention(client, max_letters=10).round() for _ in range(4)))
    assert len(await remaining(client)) == 10
    assert await dropped(client) == 290


async def test_letters_go_when_redis_has_no_memory_left_to_count_them(client):
    await laid(client, 3)
    await retention(client, max_letters=2).round()  # loads the script
    await client.execute_command("CONFIG", "SET", "maxmemory", 1)
    await retention(client, max_letters=1).round()
    assert (await remaining(client), await dropped(client)) == (["wh_0"], 1)


async def test_a_letter_that_was_dead_lettered_again_meanwhile_is_kept(client):
    await laid(client, 1)
    [dead], _ = await (await opened(client)).oldest(KEYS, "billing", 0, 1)
    await client.execute_command("ZADD", KEYS.dead("billing"), now_ms(), "wh_0")
    assert await dead_retention.scripts.run(client, dead_retention._drop(dead, now_ms(), 0)) == 0
    assert (await remaining(client), await dropped(client)) == (["wh_0"], 0)


async def test_a_letter_within_the_maximum_when_its_turn_comes_is_kept(client):
    await laid(client, 4)
    letters, _ = await (await opened(client)).oldest(KEYS, "billing", 0, 4)
    calls = [dead_retention._drop(dead, 0, 3) for dead in letters]
    assert await dead_retention.scripts.run_all(client, calls) == [1, 0, 0, 0]
    assert (len(await remaining(client)), await dropped(client)) == (3, 1)


async def test_a_round_goes_on_until_nothing_is_due(client, monkeypatch):
    monkeypatch.setattr(dead_retention, "BATCH", 10)
    await laid(client, 35)
    await retention(client, max_letters=5).round()
    assert await dropped(client) == 30


async def test_a_round_ends_at_letters_that_never_go(client):
    """Such as one to whose time a hand has given a fraction."""
    await laid(client, 3)
    await client.execute_command("ZADD", KEYS.dead("billing"), 1.5, "wh_2")
    async with asyncio.timeout(5):
        await retention(client, max_letters=1).round()
    assert sorted(await remaining(client)) == ["wh_0", "wh_2"]


async def test_a_stop_ends_a_round(client):
    await laid(client, 3)
    stopping = asyncio.Event()
    stopping.set()
    await retention(client, max_letters=1, stopping=stopping).round()
    assert len(await remaining(client)) == 3


async def test_unreadable_letters_are_kept_and_delay_no_others(client):
    await laid(client, 6)
    await client.execute_command("HSET", KEYS.dead_data("billing"), "wh_5", "junk")
    await retention(client, max_letters=2).round()
    assert await remaining(client) == ["wh_0", "wh_1"]
    assert await dropped(client) == 3


async def test_the_duty_drops_periodically_and_stops_at_once(client, monkeypatch):
    monkeypatch.setattr(dead_retention, "INTERVAL_S", 0.01)
    await laid(client, 3)
    duty = retention(client, max_letters=1)
    running = asyncio.create_task(duty.run())
    await until(lambda: _one_left(client))
    duty._stopping.set()
    async with asyncio.timeout(1):
        await running


async def _one_left(client) -> bool:
    return len(await remaining(client)) == 1


async def spoiled(client, names: list[str]) -> None:
    """These letters can't be read by this release."""
    await client.execute_command("HSET", KEYS.dead_data("billing"), *(part for name in names for part in (name, "?")))


async def test_letters_that_cannot_be_read_are_skipped_and_logged_once(client, monkeypatch):
    monkeypatch.setattr(dead_retention, "BATCH", 2)
    await laid(client, 30)
    bad = [f"wh_{i}" for i in range(10, 30)]  # all of the oldest
    await spoiled(client, bad)
    duty = retention(client, age_s=2 * 3600)
    with capture_logs() as logs:
        for _ in range(2):
            await duty.round()
    assert sorted(await remaining(client)) == ["wh_0", "wh_1"]
    assert await client.execute_command("ZCARD", KEYS.dead("billing")) == 2 + len(bad)
    counts = [log["count"] for log in logs if log["event"] == "dead_letters_unreadable"]
    assert len(counts) == 1
    assert await dropped(client) == 8


async def test_g7_an_unusable_dead_letter_key_does_not_stop_the_retention_of_other_groups(client):
    await laid(client, 3)
    await client.execute_command("SET", KEYS.dead("phone"), "no letters")
    settings = WorkerSettings(dead_retention_events=1)
    await DeadRetention(client, [KEYS], ["phone", "billing"], asyncio.Event(), settings).round()
    assert len(await remaining(client)) == 1

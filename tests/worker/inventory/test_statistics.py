import math

import pytest
from redis.exceptions import ResponseError

from hookbus.shared import scripts
from hookbus.shared.connection import connect
from hookbus.shared.keys import HOME
from hookbus.worker.inventory import statistics
from hookbus.worker.inventory.statistics import HOUR_MS, HOURS_KEPT, MINUTE_MS, MINUTES_KEPT, NOTHING, Figures

NOW_MS = 1_700_000_040_000  # the first second of a minute
SOME = Figures(handled=3, parked=2, dead=1, busy_ms=40, latencies=(1, 2, 0, 0, 0, 0, 0, 3))


async def test_figures_are_added_to_their_minute_and_hour_and_read_as_written(client):
    for _ in range(2):
        await scripts.run(client, statistics.add({"billing": SOME, "audit": Figures(handled=1)}, NOW_MS))
    expected = {"billing": SOME.plus(SOME), "audit": Figures(handled=2)}
    assert await statistics.minutes(client, NOW_MS, 5) == {NOW_MS: expected}
    assert await statistics.hours(client, NOW_MS, 5) == {NOW_MS // HOUR_MS * HOUR_MS: expected}


async def test_series_have_the_last_minutes_and_no_more(client):
    for minute in range(4):
        await scripts.run(client, statistics.add({"billing": Figures(handled=1)}, NOW_MS + minute * MINUTE_MS))
    series = await statistics.minutes(client, NOW_MS + 3 * MINUTE_MS, 2)
    assert list(series) == [NOW_MS + 2 * MINUTE_MS, NOW_MS + 3 * MINUTE_MS]
    assert statistics.total(series) == {"billing": Figures(handled=2)}
    assert len(await statistics.minutes(client, NOW_MS, 1_000_000)) == 1


async def test_a_minute_and_an_hour_expire_after_they_are_last_asked_for(client):
    await scripts.run(client, statistics.add({"billing": SOME}, NOW_MS))
    minute, hour = HOME.minute(NOW_MS // MINUTE_MS), HOME.hour(NOW_MS // HOUR_MS)
    assert MINUTES_KEPT * MINUTE_MS < await client.execute_command("PTTL", minute) <= (MINUTES_KEPT + 1) * MINUTE_MS
    assert HOURS_KEPT * HOUR_MS < await client.execute_command("PTTL", hour) <= (HOURS_KEPT + 1) * HOUR_MS


async def test_a_user_that_may_not_call_expire_leaves_no_key_for_ever(client, redis_url):
    await client.execute_command("ACL", "SETUSER", "narrow", "on", ">narrow", "~*", "+@all", "-expire")
    narrow = connect(redis_url.replace("unix://", "unix://narrow:narrow@"), "tests")
    try:
        with pytest.raises(ResponseError):
            await scripts.run(narrow, statistics.add({"billing": SOME}, NOW_MS))
    finally:
        await narrow.aclose()
        await client.execute_command("ACL", "DELUSER", "narrow")
    assert await client.execute_command("KEYS", "*") == []


async def test_two_processes_that_add_at_once_lose_nothing(client):
    calls = [statistics.add({"billing": Figures(handled=1)}, NOW_MS)] * 50
    assert await scripts.run_all(client, calls) == [1] * 50
    assert (await statistics.minutes(client, NOW_MS, 1))[NOW_MS]["billing"].handled == 50


async def test_a_key_of_another_type_and_foreign_fields_are_left_out(client):
    broken = HOME.minute(NOW_MS // MINUTE_MS - 1)
    await client.execute_command("SET", broken, "x")
    await client.execute_command("HSET", HOME.minute(NOW_MS // MINUTE_MS), "g|handled", "many", "g|new", "1", "x", "1")
    unusable: dict[str, str] = {}
    assert await statistics.minutes(client, NOW_MS, 2, unusable) == {NOW_MS: {"g": NOTHING, "x": NOTHING}}
    assert set(unusable) == {broken}


@pytest.mark.parametrize(
    ("latencies", "share", "end_s"),
    [
        ((0,) * 8, 0.5, None),
        ((1, 0, 0, 0, 0, 0, 0, 0), 0.99, 0.005),
        ((50, 0, 0, 49, 0, 0, 0, 1), 0.5, 0.005),
        ((50, 0, 0, 49, 0, 0, 0, 1), 0.51, 0.5),
        ((50, 0, 0, 49, 0, 0, 0, 1), 0.99, 0.5),
        ((0, 0, 0, 0, 0, 0, 0, 1), 0.5, math.inf),
    ],
)
def test_the_bound_of_a_share_is_the_end_of_its_bucket(latencies, share, end_s):
    assert Figures(latencies=latencies).bound_s(share) == end_s

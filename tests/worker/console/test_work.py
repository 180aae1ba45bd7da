from hookbus.shared import scripts
from hookbus.worker.console import work
from hookbus.worker.console.work import MINUTES, Work
from hookbus.worker.inventory import statistics
from hookbus.worker.inventory.statistics import MINUTE_MS, Figures
from tests.worker.builders import GROUP

NOW_MS = 30_000_000 * MINUTE_MS + 30_000
"""Half a minute into a minute."""
MINUTE = NOW_MS // MINUTE_MS


def a_series(**counts):
    """A minute's figures of billing, for each of the last minutes; twice as much of audit."""
    figures = Figures(**counts)
    twice = figures.plus(figures)
    return {(MINUTE - ago) * MINUTE_MS: {"billing": figures, "audit": twice} for ago in range(1, MINUTES)}


def test_rates_are_by_the_true_time_of_the_minutes_though_the_last_one_is_not_over():
    series = a_series(handled=60, parked=30, dead=30)
    series[MINUTE * MINUTE_MS] = {"billing": Figures(handled=30, parked=15, dead=15)}
    assert work.rate(series, NOW_MS, work.handled, "billing") == 1
    assert work.rate(series, NOW_MS, work.failed, "billing") == 1
    assert work.rates(series, NOW_MS, work.handled, "billing") == [1.0] * MINUTES
    assert work.rates(series, NOW_MS, work.handled)[:-1] == [3.0] * (MINUTES - 1)
    assert work.rates({}, NOW_MS, work.handled) == [0.0] * MINUTES


def test_times_of_attempts_are_those_of_the_last_minutes():
    quick, slow = (1, 0, 0, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 0, 0, 9)
    series = {(MINUTE - ago) * MINUTE_MS: {GROUP: Figures(latencies=quick if ago < 5 else slow)} for ago in range(60)}
    assert work.recent(series, NOW_MS).latencies == (5, 0, 0, 0, 0, 0, 0, 0)
    assert work.recent(series, NOW_MS, "audit").bound_s(0.5) is None


async def test_a_minute_that_is_over_is_read_once_more_and_then_kept(client):
    async def add(count, now_ms):
        await scripts.run(client, statistics.add({GROUP: Figures(handled=count)}, now_ms))

    reader = Work()
    await add(1, NOW_MS)
    assert (await reader.fetch(client, NOW_MS))[MINUTE * MINUTE_MS][GROUP].handled == 1
    await add(1, NOW_MS)
    later_ms = NOW_MS + MINUTE_MS
    assert (await reader.fetch(client, later_ms))[MINUTE * MINUTE_MS][GROUP].handled == 2
    await client.execute_command("CONFIG", "RESETSTAT")
    await reader.fetch(client, later_ms + 2 * MINUTE_MS)
    stats = (await client.execute_command("INFO", "commandstats")).decode()
    assert "cmdstat_hgetall:calls=4," in stats
    assert MINUTE * MINUTE_MS in await reader.fetch(client, later_ms + 50 * MINUTE_MS)
    assert await reader.fetch(client, later_ms + MINUTES * MINUTE_MS) == {}

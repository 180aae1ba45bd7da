import pytest

from hookbus.worker.console import bars
from hookbus.worker.dlq.filter import Filter

NOW_MS = 10 * bars.DAY_MS


@pytest.mark.parametrize(
    ("criteria", "first", "last"),
    [
        (Filter(), 9 * bars.DAY_MS + 1, NOW_MS + 1),
        (Filter(until_ms=bars.DAY_MS), 1, bars.DAY_MS + 1),
        (Filter(until_ms=5), 0, 6),
        (Filter(since_ms=7, until_ms=7), 7, 8),
        (Filter(since_ms=1000, until_ms=24_999), 1000, 25_000),
        (Filter(since_ms=NOW_MS + 9), NOW_MS + 9, NOW_MS + 9),
    ],
)
def test_bars_cover_the_times_of_the_filter_or_its_last_day(criteria, first, last):
    times = bars.edges(criteria, NOW_MS)
    assert (times[0], times[-1], len(times)) == (first, last, bars.BARS + 1)
    assert times == sorted(times)


def test_the_most_deaths_fill_the_height_and_one_death_is_seen():
    drawn = bars.of([0, 1, 10_000], [0, 10, 20, 30])
    assert [(bar.height, bar.died, bar.since_ms) for bar in drawn] == [
        (0, 0, 0),
        (1, 1, 10),
        (bars.HEIGHT, 10_000, 20),
    ]
    assert bars.of([], [0]) == []

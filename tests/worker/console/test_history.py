import itertools
import random

import pytest

from hookbus.worker.console import history
from hookbus.worker.console.history import MAX_LOOKS, MAX_SERIES, MINUTE_MS, MINUTES, POINTS, RATE_MS, History

START_MS = 1_795_819_867_055


def filled(figure, times) -> History:
    kept = History()
    for at_ms in times:
        kept.add(START_MS + at_ms, {("", "stored"): float(figure(at_ms))})
    return kept


def a_hundred_a_second(at_ms):
    return at_ms / 10


def test_a_series_has_a_point_a_minute_and_ends_with_the_last_look():
    points = filled(lambda at_ms: at_ms, range(0, 2 * 3_600_000, 2000)).series("stored")
    assert len(points) == POINTS
    assert points[-1] == 2 * 3_600_000 - 2000
    assert {later - earlier for earlier, later in itertools.pairwise(points[:-1])} == {MINUTE_MS}


def test_a_day_is_kept_and_drawn_in_as_many_points_as_an_hour():
    kept = filled(lambda at_ms: at_ms, range(0, 3 * MINUTES * MINUTE_MS, MINUTE_MS))
    assert [len(values) for values in kept._series.values()] == [MINUTES]
    points = kept.series("stored", minutes=MINUTES)
    assert len(points) == POINTS
    assert points[0] >= 2 * MINUTES * MINUTE_MS
    assert points[-1] == (3 * MINUTES - 1) * MINUTE_MS


def test_a_minute_without_a_look_takes_the_figure_before():
    kept = filled(lambda at_ms: 7.0 if at_ms == 0 else 9.0, (0, 6 * MINUTE_MS))
    assert kept.series("stored") == [7.0] * 6 + [9.0]


@pytest.mark.parametrize("every_ms", [1700, 2000, 7300, 60_000, 61_500, 200_000])
def test_a_constant_rate_is_shown_as_what_it_is_however_far_apart_the_looks_are(every_ms):
    kept = filled(a_hundred_a_second, range(0, 3_600_000, every_ms))
    assert kept.rate("stored") == pytest.approx(100)
    assert kept.rates("stored") == pytest.approx([100] * len(kept.rates("stored")))
    assert len(kept.rates("stored")) >= POINTS - 5


def test_a_constant_rate_stays_so_when_somebody_opens_the_page_after_an_idle_time():
    random.seed(1)
    looks = [*range(0, 600_000, 61_000)]
    kept = filled(a_hundred_a_second, looks)
    for _ in range(20):
        looks.append(looks[-1] + random.randrange(2000, 4000))
        kept.add(START_MS + looks[-1], {("", "stored"): a_hundred_a_second(looks[-1])})
        assert kept.rate("stored") == pytest.approx(100)
        assert kept.rates("stored") == pytest.approx([100] * len(kept.rates("stored")))


def test_a_present_rate_is_that_of_the_last_half_minute():
    times = range(0, 10 * RATE_MS, 2000)
    kept = filled(lambda at_ms: max(0, at_ms - times[-1] + RATE_MS) / 100, times)
    assert kept.rate("stored") == pytest.approx(10)
    assert len(kept._looks) <= MAX_LOOKS
    assert filled(float, (0,)).rate("stored") is None
    assert History().rate("stored") is None
    assert History().series("stored") == History().rates("stored") == []


def test_a_counter_that_begins_again_has_no_negative_rate():
    kept = filled(lambda at_ms: 1000.0 if at_ms == 0 else 10.0, (0, MINUTE_MS))
    assert (kept.rate("stored"), kept.rates("stored")) == (0, [0])


def test_a_group_that_was_not_there_for_a_time_has_no_figures_of_the_day_before():
    kept = History()
    for minute in range(MINUTES + 2):
        kept.add(START_MS + minute * MINUTE_MS, {("billing", "waiting"): 1.0} if minute == 0 else {("", "stored"): 1.0})
    assert kept.series("waiting", "billing", MINUTES) == []


def test_the_number_of_series_is_bounded_and_the_first_ones_stay():
    kept = History()
    for at_ms in (START_MS, START_MS + MINUTE_MS):
        kept.add(at_ms, {(f"group{i}", "waiting"): 1.0 for i in range(MAX_SERIES + 50)})
    assert len(kept._series) == MAX_SERIES
    assert kept.series("waiting", "group0") == [1.0, 1.0]
    assert kept.series("waiting", f"group{MAX_SERIES + 1}") == []
    assert history.TOTALS == ""

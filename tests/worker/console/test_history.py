from hookbus.worker.console import history
from hookbus.worker.console.history import MAX_SERIES, POINTS, SLOT_MS, SLOTS, History

HOUR = range(0, SLOTS * SLOT_MS, SLOT_MS)


def filled(figure, times=HOUR) -> History:
    kept = History()
    for at_ms in times:
        kept.add(at_ms, {("", "stored"): figure(at_ms)})
    return kept


def test_a_series_has_a_point_a_minute_and_ends_with_the_last_look():
    points = filled(lambda at_ms: at_ms / SLOT_MS).series("stored")
    assert len(points) == POINTS
    assert points[-1] == SLOTS - 1


def test_what_is_older_than_an_hour_is_forgotten():
    kept = filled(lambda at_ms: at_ms, range(0, 3 * SLOTS * SLOT_MS, SLOT_MS))
    assert len(kept._slots) == SLOTS
    assert min(kept.series("stored")) >= 2 * SLOTS * SLOT_MS


def test_a_slot_without_a_look_takes_the_figure_before():
    kept = filled(lambda at_ms: 7.0 if at_ms == 0 else 9.0, (0, 6 * SLOT_MS))
    assert kept.series("stored") == [7.0] * 6 + [9.0]


def test_a_rate_is_the_growth_over_the_last_half_minute():
    kept = filled(lambda at_ms: 100 + at_ms / 1000 * 5)
    assert kept.rate("stored") == 5
    assert set(kept.rates("stored")) == {5.0}
    assert filled(float, (0,)).rate("stored") is None
    assert History().rate("stored") is None


def test_a_counter_that_begins_again_has_no_negative_rate():
    kept = filled(lambda at_ms: 1000.0 if at_ms == 0 else 10.0, (0, SLOT_MS))
    assert kept.rate("stored") == 0


def test_the_number_of_series_is_bounded_and_the_first_ones_stay():
    kept = History()
    for at_ms in (0, SLOT_MS):
        kept.add(at_ms, {(f"group{i}", "waiting"): 1.0 for i in range(MAX_SERIES + 50)})
    assert len(kept._series) == MAX_SERIES
    assert kept.series("waiting", "group0") == [1.0, 1.0]
    assert kept.series("waiting", f"group{MAX_SERIES + 1}") == []
    assert history.TOTALS == ""

"""Answers computed from measured figures."""

import pytest

from tests.bench.figures import Series, at_least, at_most, compared, parted, percentile, ratios, reported


def test_ratios_are_computed_per_round_and_not_from_the_medians():
    # The machine was slow in the second round, for both.
    ours, other = Series("ours", (80.0, 20.0, 90.0)), Series("other", (100.0, 40.0, 90.0))
    answer = compared("key", ours, other, "events/s")
    assert ratios(ours, other) == [0.8, 0.5, 1.0]
    assert (answer.value, answer.low, answer.high, answer.is_ratio) == (0.8, 0.5, 1.0, True)


def test_sides_of_different_length_are_an_error():
    with pytest.raises(ValueError, match="zip"):
        ratios(Series("ours", (1.0,)), Series("other", (1.0, 2.0)))


def test_of_several_series_the_worst_median_counts():
    answer = reported("key", [Series("list", (3.0, 5.0, 4.0)), Series("groups", (9.0, 1.0, 2.0))], "ms")
    assert (answer.value, answer.low, answer.high) == (4.0, 3.0, 5.0)


def test_parts_are_medians_and_the_value_is_their_sum():
    answer = parted("key", [Series("ingest", (10.0, 30.0, 20.0)), Series("redis", (5.0,))], "us")
    assert answer.parts == {"ingest": 20.0, "redis": 5.0}
    assert answer.value == 25.0


@pytest.mark.parametrize(("share", "figure"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_a_percentile_is_one_of_the_measured_figures(share, figure):
    assert percentile([float(n) for n in range(100, 0, -1)], share) == figure


def test_the_percentile_of_one_figure_is_that_figure_and_of_none_an_error():
    assert percentile([7.0], 0.99) == 7.0
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


def test_a_goal_includes_its_bound():
    assert at_least(0.75).is_met(0.75)
    assert not at_least(0.75).is_met(0.749)
    assert at_most(2).is_met(2.0)
    assert not at_most(2).is_met(2.01)

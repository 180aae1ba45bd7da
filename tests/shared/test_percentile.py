import pytest

from hookbus.shared.percentile import percentile


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1, 100), (0.001, 1), (0, 1)])
def test_percentiles_use_the_nearest_rank(share, value):
    assert percentile(range(100, 0, -1), share) == value


def test_the_percentile_of_no_values_is_0():
    assert percentile([], 0.5) == 0

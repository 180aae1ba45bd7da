"""The stage on which questions measure."""

import pytest

from tests.bench.figures import Series
from tests.bench.stage import Stage


async def test_sides_are_measured_in_turn():
    order: list[str] = []
    reports: list[tuple[int, dict[str, float]]] = []

    async def side(name: str, figure: float) -> float:
        order.append(name)
        return figure + len(order)

    async with Stage(lambda number, figures: reports.append((number, figures)), is_quick=True, rounds=3) as stage:
        found = await stage.rounds_of(a=lambda: side("a", 10), b=lambda: side("b", 20))
    assert order == ["a", "b"] * 3
    assert found == (Series("a", (11, 13, 15)), Series("b", (22, 24, 26)))
    assert reports[1] == (2, {"a": 13, "b": 24})


@pytest.mark.parametrize(("rounds", "least", "measured"), [(5, 1, 5), (5, 11, 11), (20, 11, 20), (2, 11, 2)])
def test_fewer_rounds_than_the_minimum_need_an_explicit_number(rounds, least, measured):
    stage = Stage(lambda number, figures: None, is_quick=False, rounds=rounds)
    assert list(stage.numbers(least)) == list(range(1, measured + 1))
    stage.folder.rmdir()


async def test_a_stage_stops_and_removes_everything_that_it_started():
    async with Stage(lambda number, figures: None, is_quick=True) as stage:
        server = await stage.valkey()
        ingest = await stage.ingest(server)
        folder = stage.folder
    assert ingest.process.poll() is not None
    assert not folder.exists()

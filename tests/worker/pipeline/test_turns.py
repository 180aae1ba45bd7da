from hypothesis import given
from hypothesis import strategies as st

from hookbus.worker.pipeline.turns import Turns


def of(*streams: str) -> Turns:
    turns = Turns()
    turns.set(streams)
    return turns


def test_with_fewer_places_than_streams_they_are_read_in_parts_until_all_were_empty():
    turns = of("a", "b", "c")
    assert turns.is_busy(2)
    for expected in (["a", "b"], ["c", "a"]):
        part = turns.next(2, is_sweep=False)
        assert part == expected
        turns.answered(part, [], [])
    assert turns.is_idle
    assert not turns.is_busy(2)


def test_a_new_stream_has_its_turn_at_once_and_the_empty_ones_stay_so():
    turns = of("a", "b", "c")
    turns.answered(["a", "b", "c"], [], [])
    turns.set(["a", "b", "c", "own"])
    assert turns.is_busy(1)
    assert turns.next(1, is_sweep=False) == ["own"]
    turns.answered(["own"], [], [])
    assert turns.is_idle


def test_when_an_empty_stream_goes_the_others_are_not_read_anew():
    turns = of("a", "b", "c")
    turns.answered(["a", "b", "c"], [], [])
    turns.set(["a", "c"])
    assert turns.is_idle


def test_with_a_place_for_each_stream_they_are_read_at_once_and_may_wait():
    assert not of("a", "b").is_busy(2)


def test_a_stream_that_filled_its_count_is_read_alone_until_it_did_not():
    turns = of("a", "b", "c")
    turns.answered(["a", "b", "c"], ["b", "c"], ["b"])
    assert turns.is_busy(9)
    assert turns.next(9, is_sweep=False) == ["b"]
    turns.answered(["b"], ["b"], [])
    assert not turns.is_busy(9)


def test_a_lone_entry_asks_for_no_sweep_of_the_many_streams_that_were_empty():
    turns = of(*map(str, range(1000)))
    turns.answered(list(turns.streams), [], [])
    turns.answered(["7"], ["7"], ["7"])
    assert turns.next(99, is_sweep=False) == ["7"]
    turns.answered(["7"], [], [])
    assert not turns.is_busy(99)


def test_with_one_place_all_streams_that_have_more_are_read_in_turn():
    turns = of("a", "b", "c")
    turns.answered(["a", "b", "c"], ["a", "b", "c"], ["a", "b", "c"])
    read = []
    for _ in range(6):
        (name,) = turns.next(1, is_sweep=False)
        turns.answered([name], [name], [name])
        read.append(name)
    assert read == ["a", "b", "c"] * 2


def test_a_sweep_reads_the_next_part_although_other_streams_have_more():
    turns = of("a", "b", "c")
    turns.answered(["a"], ["a"], ["a"])
    assert [turns.next(1, is_sweep=True) for _ in range(4)] == [["a"], ["b"], ["c"], ["a"]]


def test_a_stream_that_may_not_be_read_any_more_has_no_more_to_read():
    turns = of("a", "b")
    turns.answered(["a"], ["a"], ["a"])
    turns.set(["b"])
    turns.answered(["a"], ["a"], ["a"])
    assert turns.next(9, is_sweep=False) == ["b"]


@given(st.integers(1, 9), st.integers(1, 5), st.lists(st.booleans(), max_size=40))
def test_every_stream_has_its_turn_within_one_round_of_sweeps(number, places, brings):
    turns = of(*map(str, range(number)))
    asked: list[str] = []
    for brought in brings:
        part = turns.next(places, is_sweep=True)
        asked += part
        turns.answered(part, part if brought else [], [])
    assert set(asked[: max(number, places)]) == set(asked)

from hypothesis import given
from hypothesis import strategies as st

from hookbus.worker.pipeline.places import Places


class Counter:
    def __init__(self, free: int) -> None:
        self.number = free
        self.notified = 0
        self.places = Places(lambda: self.number, self.notify)

    def notify(self) -> None:
        self.notified += 1


def test_places_that_a_read_will_fill_are_offered_to_no_other_reader():
    counter = Counter(3)
    counter.places.reserve(2)
    assert counter.places.free() == 1
    counter.places.release(2)
    assert counter.places.free() == 3


def test_readers_that_found_no_place_share_the_next_ones_before_all_others():
    counter = Counter(0)
    assert [counter.places.offer(reader) for reader in ("b", "c")] == [0, 0]
    counter.number = 3
    offers = []
    for reader in ("a", "b", "c"):
        offers.append(counter.places.offer(reader))
        counter.places.reserve(offers[-1])
    assert offers == [1, 1, 1]


def test_a_reader_that_cannot_read_holds_up_no_other():
    counter = Counter(0)
    counter.places.offer("broken")
    counter.number = 1
    assert counter.places.offer("a") == 0
    counter.places.withdraw("broken")
    assert counter.places.offer("a") == 1


def test_readers_that_wait_are_told_when_a_read_brought_less_than_it_had_reserved():
    counter = Counter(2)
    counter.places.reserve(2)
    counter.places.release(2)
    assert counter.notified == 0
    counter.places.reserve(2)
    assert counter.places.offer("b") == 0
    counter.places.release(2)
    assert counter.notified == 1


@given(st.integers(0, 9), st.lists(st.integers(0, 3), max_size=30))
def test_no_place_is_offered_twice_and_no_reader_waits_for_ever(free, readers):
    counter = Counter(free)
    for reader in readers:
        offered = counter.places.offer(reader)
        assert 0 <= offered <= counter.places.free()
        counter.places.reserve(offered)
    counter.number += 4  # one for each
    waiting = set(readers)
    for _ in range(2):
        waiting = {reader for reader in sorted(waiting) if counter.places.offer(reader) == 0}
    assert not waiting

import pytest

from hookbus.worker.inventory import running
from hookbus.worker.inventory.running import LONGEST, MAX_SLOTS, NAME_CHARS, Running, RunningDelivery, SlotsInUse


def test_what_runs_is_written_and_read_unchanged():
    some = Running(3, (SlotsInUse("g", "a.*", 1, 2, 0),), (RunningDelivery("g", "a.*", "a.b", "wh_1", 1, 2),))
    assert running.decode(running.encode(some)) == some


@pytest.mark.parametrize("stored", [None, b"", b"{", b"\xff", b"[]", b"{}", b'{"at_ms": 1, "slots": [[1]]}'])
def test_what_cannot_be_read_is_nothing(stored):
    assert running.decode(stored) is None


def test_it_is_bounded_with_names_of_usual_length():
    slots = (SlotsInUse("g" * 20, "t" * 30, 10, 10, 0),) * MAX_SLOTS
    longest = (RunningDelivery("g" * 20, "t" * 30, "t" * 30, "w" * 40, 1_700_000_000_000, 1),) * LONGEST
    assert len(running.encode(Running(1, slots, longest))) < 17_000
    assert NAME_CHARS <= 200

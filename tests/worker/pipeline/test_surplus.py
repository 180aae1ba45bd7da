from hookbus.worker.pipeline.surplus import Surplus
from tests.worker.builders import STREAM, an_in_flight


def test_the_first_delivery_that_is_not_of_a_held_stream_comes_first():
    surplus, held, first, second = (
        Surplus(),
        an_in_flight(stream="held"),
        an_in_flight(number=1),
        an_in_flight(number=2),
    )
    for in_flight in (held, first, second):
        surplus.add(in_flight, 1.0)
    assert [surplus.pop({"held"}) for _ in range(3)] == [first, second, None]
    assert surplus.pop(set()) is held


def test_what_waits_too_long_is_taken_and_known_until_it_is_gone():
    surplus, old, new = Surplus(), an_in_flight(number=1), an_in_flight(number=2)
    surplus.add(old, 1.0)
    surplus.add(new, 2.0)
    assert surplus.take_before(1.5) == [old]
    assert (len(surplus), surplus.pop(set())) == (1, new)
    assert surplus.find((STREAM, old.entry_id)) is old
    surplus.forget([old])
    assert surplus.find((STREAM, old.entry_id)) is None

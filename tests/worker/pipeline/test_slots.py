import asyncio

from hypothesis import given
from hypothesis import strategies as st

from hookbus.worker.pipeline import slots as slots_module
from hookbus.worker.pipeline.slots import Slots
from tests.worker.builders import an_in_flight


def test_a_delivery_takes_a_slot_until_its_attempt_ends_and_is_in_flight_until_it_is_settled():
    slots, in_flight = Slots(2), an_in_flight()
    slots.take(in_flight)
    assert (slots.free(), slots.holds(in_flight)) == (1, True)
    slots.leave()
    assert (slots.free(), slots.holds(in_flight)) == (2, True)
    slots.settled(in_flight)
    assert (slots.free(), slots.holds(in_flight)) == (2, False)


def test_unwritten_outcomes_may_take_as_many_slots_again_and_no_more():
    slots = Slots(2)
    deliveries = [an_in_flight(number=i) for i in range(1, 5)]
    for in_flight in deliveries:
        slots.take(in_flight)
        slots.leave()
    assert slots.free() == 0
    slots.settled(deliveries[0])
    assert slots.free() == 1


def test_overdue_threads_keep_their_slots():
    assert [Slots(3).free(overdue) for overdue in range(5)] == [3, 2, 1, 0, -1]


def test_the_same_entry_id_in_two_streams_is_two_deliveries():
    slots = Slots(1)
    slots.take(an_in_flight())
    assert not slots.holds(an_in_flight(stream="another"))


def test_one_entry_id_of_two_events_is_two_deliveries():
    slots = Slots(2)
    before, after = an_in_flight("wh_before", term="a"), an_in_flight("wh_after", term="b")
    slots.take(before)
    assert not slots.holds(after)
    slots.take(after)
    slots.settled(before)
    assert slots.holds(after)


async def test_waiters_for_a_slot_are_notified_once_in_a_turn_of_the_loop():
    slots, in_flight = Slots(1), an_in_flight()
    slots.take(in_flight)
    notified = []
    slots.subscribe(lambda: notified.append(slots.free()))
    slots.leave()
    slots.settled(in_flight)
    await asyncio.sleep(0)
    assert notified == [1]
    slots.notify()
    await asyncio.sleep(0)
    assert notified == [1, 1]


@given(st.integers(1, 4), st.lists(st.sampled_from(["take", "leave", "settle"]), max_size=40))
def test_slots_are_counted_correctly_in_any_order(concurrency, steps):
    slots, running, unsettled, number = Slots(concurrency), [], [], 0
    for step in steps:
        if step == "take" and slots.free() > 0:
            number += 1
            running.append(an_in_flight(number=number))
            slots.take(running[-1])
        elif step == "leave" and running:
            unsettled.append(running.pop(0))
            slots.leave()
        elif step == "settle" and unsettled:
            slots.settled(unsettled.pop(0))
        assert len(running) <= concurrency
        assert len(running) + len(unsettled) <= 2 * concurrency
        assert slots.free() == min(concurrency - len(running), 2 * concurrency - len(running) - len(unsettled))


def test_a_suspect_in_quarantine_takes_no_slot_and_is_in_flight():
    slots = Slots(1)
    suspect = an_in_flight()
    slots.quarantine(suspect)
    assert (slots.free(), slots.running, slots.holds(suspect)) == (1, 0, True)
    slots.leave_quarantine(suspect)
    assert not slots.holds(suspect)


def test_a_suspect_that_was_taken_over_again_stays_in_flight_when_its_first_process_ends():
    slots = Slots(1)
    first, second = an_in_flight(times_delivered=3), an_in_flight(times_delivered=4)
    slots.quarantine(first)
    slots.quarantine(second)
    slots.leave_quarantine(first)
    assert slots.find((second.stream, second.entry_id)) is second


def test_deferred_deliveries_are_not_in_flight_and_too_many_of_them_stop_reading(monkeypatch):
    monkeypatch.setattr(slots_module, "MAX_DEFERRED", 2)
    slots = Slots(1)
    first, second = (an_in_flight(number=i) for i in (1, 2))
    for in_flight in (first, second, first):
        slots.take(in_flight)
        slots.leave()
        assert slots.may_read_on()
        slots.defer(in_flight)
        assert not slots.holds(in_flight)
        if in_flight is first:
            continue
        assert not slots.may_read_on()
        slots.settled(second)

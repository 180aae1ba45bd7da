from types import SimpleNamespace
from typing import Any

from hookbus.worker.testing.backlog import Backlog, Waiting
from tests.worker.builders import an_in_flight

OPEN: Any = SimpleNamespace(opens_ms=lambda: 0, admits=lambda: True)
HELD: Any = SimpleNamespace(opens_ms=lambda: 70, admits=lambda: False)
BUSY: Any = SimpleNamespace(opens_ms=lambda: None, admits=lambda: False)


def a_backlog(*waiting, paused=()) -> Backlog:
    backlog = Backlog(lambda in_flight: in_flight.delivery.webhook_id in paused)
    for number, (name, lane, due_ms) in enumerate(waiting):
        backlog.add(Waiting(an_in_flight(name, number), lane, due_ms))
    return backlog


def taken(backlog: Backlog, now_ms: int) -> list[str]:
    names = []
    while (one := backlog.take(now_ms)) is not None:
        names.append(one.in_flight.delivery.webhook_id)
    return names


def test_the_next_time_is_that_of_the_first_one_that_is_due_and_whose_lane_is_open():
    assert a_backlog().next_ms(0) is None
    assert a_backlog(("a", OPEN, 50), ("b", OPEN, 40)).next_ms(10) == 40
    assert a_backlog(("a", OPEN, 5)).next_ms(10) == 10, "never in the past"
    assert a_backlog(("a", HELD, 50)).next_ms(10) == 70
    assert a_backlog(("a", HELD, 90)).next_ms(10) == 90


def test_what_is_paused_or_has_no_place_has_no_time():
    assert a_backlog(("a", BUSY, 0)).next_ms(10) is None
    assert a_backlog(("a", OPEN, 0), paused={"a"}).next_ms(10) is None


def test_what_may_begin_is_taken_once_in_the_order_in_which_it_came():
    waiting = [("late", OPEN, 99), ("a", OPEN, 20), ("held", HELD, 0), ("paused", OPEN, 0), ("b", OPEN, 10)]
    backlog = a_backlog(*waiting, paused={"paused"})
    assert taken(backlog, 20) == ["a", "b"]
    assert taken(backlog, 99) == ["late"]

import msgspec
import pytest

from hookbus.worker.pipeline.cause import Cause
from hookbus.worker.pipeline.outcome import ACK, DeadLetter, Outcome, Park
from hookbus.worker.quarantine.messages import LIMIT_BYTES, Answer, Order, line
from tests.worker.builders import STREAM, an_in_flight

CAUSE = Cause("ValueError", "no\n" * 600, "Traceback …\n" * 2000, "a.py:f", "a.py:1")


@pytest.mark.parametrize(
    "outcome", [ACK, Park(1.5, CAUSE), Park(3, CAUSE, True, 60, True), DeadLetter("rejected", CAUSE)]
)
def test_an_outcome_survives_the_way_to_the_worker_in_one_line(outcome: Outcome):
    sent = line(Answer.of(outcome, 0.25))
    assert sent.count(b"\n") == 1
    assert len(sent) < LIMIT_BYTES
    answer = msgspec.json.decode(sent, type=Answer)
    assert (answer.outcome, answer.duration_s) == (outcome, 0.25)


def test_a_suspect_that_was_not_there_any_more_has_no_outcome():
    assert msgspec.json.decode(line(Answer()), type=Answer).outcome is None


def test_an_order_names_the_entry_its_owner_and_its_deaths():
    in_flight = an_in_flight(number=5, deaths=("a@1",))
    order = Order.of(in_flight, "me")
    assert msgspec.json.decode(line(order), type=Order) == order
    assert (order.entry_id, order.owner, order.deaths, order.stream) == ("5-0", "me", ("a@1",), STREAM)

import msgspec
import pytest

from hookbus.worker.pipeline.cause import Cause
from hookbus.worker.pipeline.outcome import ACK, DeadLetter, Outcome, Park
from hookbus.worker.quarantine.messages import LIMIT_BYTES, Answer, Order, line
from tests.worker.builders import GROUP, OWN_STREAM, TYPE, an_in_flight

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
    in_flight = an_in_flight(number=5, stream=OWN_STREAM, is_own_stream=True, deaths=("a@1",))
    assert msgspec.json.decode(line(Order.of(in_flight, "me")), type=Order) == Order(
        group=GROUP,
        type=TYPE,
        stream=OWN_STREAM,
        is_own_stream=True,
        entry_id="5-0",
        owner="me",
        deaths=("a@1",),
    )

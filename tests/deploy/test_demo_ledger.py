import json

from deploy.local.demo import plan
from deploy.local.demo.book import Note, digest
from deploy.local.demo.ledger import Ledger
from hookbus.shared.posting import Answer
from tests.programs import ROOT

BODY = b'{"type": "response.completed"}'


class Book:
    """A list of notes in memory instead of Valkey."""

    def __init__(self, *notes):
        self.notes = list(notes)

    def read(self):
        return self.notes


def note(group, webhook_id, kind="handled", attempt=1, body=BODY, event_type="response.completed"):
    return Note(kind, group, webhook_id, event_type, attempt, 1, 0.0, digest(body))


def ledger(*notes, webhook_id="wh_1", event_type="response.completed"):
    accounts = Ledger(Book(*notes))
    accounts.add_answer(event_type, BODY, Answer(200, "accepted", 1.0, webhook_id))
    return accounts


def test_an_event_is_lost_once_for_each_subscribed_group_that_has_neither_handled_nor_dead_lettered_it():
    assert ledger().figures().lost == 2
    assert ledger(note("audit", "wh_1")).figures().lost == 1
    assert ledger(note("audit", "wh_1"), note("billing", "wh_1")).figures().lost == 0
    assert ledger(event_type="eval.run.failed").figures().lost == 1, "billing does not subscribe to it"


def test_a_dead_letter_that_is_removed_without_being_handled_counts_as_lost():
    book = ledger(note("audit", "wh_1"))
    book.set_dead("billing", {"wh_1"})
    assert (book.figures().dead, book.figures().redriven, book.figures().lost) == (1, 0, 0)
    book.set_dead("billing", set())
    assert (book.figures().dead, book.figures().redriven, book.figures().lost) == (1, 0, 1)


def test_handled_with_other_bytes_than_were_sent_is_not_handled():
    book = ledger(note("audit", "wh_1", body=b"other"), note("billing", "wh_1"))
    assert book.figures().handled == {"billing": 1, "audit": 0}
    assert [stranger.group for stranger in book.strangers()] == ["audit"]


def test_an_event_in_a_group_that_does_not_subscribe_to_it_is_a_stranger():
    book = ledger(note("billing", "wh_1", event_type="eval.run.failed"), event_type="eval.run.failed")
    assert [stranger.group for stranger in book.strangers()] == ["billing"]
    assert [stranger.webhook_id for stranger in ledger(note("audit", "wh_2")).strangers()] == ["wh_2"]


def test_handled_twice_counts_once_and_an_attempt_that_was_taken_over_is_no_retry():
    starts = [note("audit", "wh_1", "started"), note("audit", "wh_1", "started")]
    figures = ledger(*starts, note("audit", "wh_1"), note("audit", "wh_1")).figures()
    assert (figures.handled["audit"], figures.retried) == (1, 0)
    assert ledger(note("audit", "wh_1", "started", attempt=2)).figures().retried == 1


def test_answers_are_counted_by_code():
    book = ledger()
    book.add_answer("x", BODY, Answer(200, "duplicate", 1.0, "wh_1"))
    book.add_answer("x", BODY, Answer(401, "signature_mismatch", 1.0, "wh_2"))
    figures = book.figures()
    assert (figures.sent, figures.accepted, figures.duplicate) == (3, 1, 1)
    assert figures.refused == {"signature_mismatch": 1}


def test_the_plan_covers_every_type_and_the_special_cases():
    expected = plan.expected()
    assert len(plan.TYPES) == 34
    assert expected.accepted == 34 + 1 + 1 + 1 + 2, "each type, an unknown one, the real one, the long one, two broken"
    assert expected.lost == 0


def test_the_real_delivery_is_the_published_one_to_the_byte():
    vectors = json.loads((ROOT / "tests/data/signature_vectors.json").read_bytes())
    (real,) = (vector for vector in vectors if vector["name"] == "openai_real_event_valid")
    assert real["body"].encode() == plan.REAL_BODY
    assert real["headers"]["webhook-id"] == plan.REAL_ID
    assert json.loads(plan.REAL_BODY)["type"] == plan.REAL_TYPE

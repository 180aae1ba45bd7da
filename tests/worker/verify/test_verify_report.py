import pytest

from hookbus.shared.posting import Answer
from hookbus.worker.verify import report as reports
from hookbus.worker.verify.ledger import Ledger
from hookbus.worker.verify.report import Missing, hints, report


def ledger(count: int = 3, handled: int = 3) -> Ledger:
    made = Ledger("run", count)
    for number in range(count):
        made.answer(number, Answer(200, "accepted", number + 1, ""), 1.0)
    for number in range(handled):
        made.handle(made.webhook_id(number), 1.5)
    return made


def made_of(a_ledger: Ledger, stored=()):
    return report(a_ledger, url="http://x/", took_s=1.0, stored=stored, hints=[], swept=[], is_interrupted=False)


def test_everything_handled_is_a_proof_and_anything_else_is_none():
    assert made_of(ledger()).is_proof
    assert not made_of(ledger(handled=2)).is_proof
    cut_short = Ledger("run", 2)
    cut_short.answer(0, Answer(200, "accepted", 1.0, ""), 1.0)
    cut_short.handle(cut_short.webhook_id(0), 1.5)
    assert not made_of(cut_short).is_proof
    left = made_of(ledger())
    left.left = "Redis is away"
    assert not left.is_proof


def test_an_event_that_was_handled_although_nobody_said_that_it_was_accepted_is_proven_too():
    made = Ledger("run", 1)
    made.answer(0, Answer(503, "queue_unavailable", 1.0, ""), 1.0)
    made.handle(made.webhook_id(0), 1.5)
    assert made_of(made).is_proof


def test_missing_events_are_named_with_where_they_are():
    made = ledger(handled=1)
    assert made_of(made, ["wh_run_1"]).missing_ids == [Missing("wh_run_1", "stored"), Missing("wh_run_2", "gone")]
    assert {lost.where for lost in made_of(made, None).missing_ids} == {"unknown"}


def test_lists_of_names_have_an_end_and_counts_do_not(monkeypatch):
    monkeypatch.setattr(reports, "MAX_NAMED", 2)
    found = made_of(ledger(handled=0))
    assert (found.missing, len(found.missing_ids)) == (3, 2)


def test_percentiles_and_answers():
    found = made_of(ledger(100, handled=100))
    assert (found.accept_ms.p50, found.accept_ms.p95, found.accept_ms.p99, found.accept_ms.max) == (50, 95, 99, 100)
    assert found.delay_ms.max == 500
    assert found.answers == {"200 accepted": 100}
    assert made_of(Ledger("run", 1)).delay_ms.max == 0


@pytest.mark.parametrize(
    ("missing", "stored", "is_seen", "losses", "says"),
    [
        ([], [], False, 3, []),
        (["a", "b"], [], False, 0, ["it stores in another Redis"]),
        (["a", "b"], ["a", "b", "c"], True, 0, ["2 are stored and were not handled within 30 s"]),
        (["a", "b"], ["c"], True, 0, ["2 are not in Redis any more"]),
        (["a", "b"], ["a"], True, 2, ["1 are stored", "1 are not in Redis", "vanished 2 times"]),
    ],
)
def test_hints_say_what_may_be_behind_it(missing, stored, is_seen, losses, says):
    found = hints(missing, stored, is_seen=is_seen, losses=losses, wait_s=30, redis="redis://x")
    assert len(found) == len(says)
    for hint, part in zip(found, says, strict=True):
        assert part in hint

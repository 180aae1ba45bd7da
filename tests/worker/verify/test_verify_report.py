import pytest

from hookbus.shared.posting import Answer
from hookbus.worker.verify import report as reports
from hookbus.worker.verify.ledger import Ledger
from hookbus.worker.verify.report import Missing, hints, report


def ledger_of(count: int = 3, handled: int = 3) -> Ledger:
    ledger = Ledger("run", count)
    for number in range(count):
        ledger.answer(number, Answer(200, "accepted", number + 1, ""), 1.0)
    for number in range(handled):
        ledger.handle(ledger.webhook_id(number), 1.5)
    return ledger


def report_of(ledger: Ledger, stored=()):
    return report(ledger, url="http://x/", took_s=1.0, stored=stored, hints=[], swept=[], is_interrupted=False)


def test_only_a_run_with_every_event_handled_and_removed_is_a_proof():
    assert report_of(ledger_of()).is_proof
    assert not report_of(ledger_of(handled=2)).is_proof
    cut_short = Ledger("run", 2)
    cut_short.answer(0, Answer(200, "accepted", 1.0, ""), 1.0)
    cut_short.handle(cut_short.webhook_id(0), 1.5)
    assert not report_of(cut_short).is_proof
    not_removed = report_of(ledger_of())
    not_removed.left = "Redis is unreachable"
    assert not not_removed.is_proof


def test_an_event_that_was_handled_without_a_200_counts_as_proven():
    ledger = Ledger("run", 1)
    ledger.answer(0, Answer(503, "queue_unavailable", 1.0, ""), 1.0)
    ledger.handle(ledger.webhook_id(0), 1.5)
    assert report_of(ledger).is_proof


def test_missing_events_are_reported_with_their_location():
    ledger = ledger_of(handled=1)
    assert report_of(ledger, ["wh_run_1"]).missing_ids == [Missing("wh_run_1", "stored"), Missing("wh_run_2", "gone")]
    assert {missing.where for missing in report_of(ledger, None).missing_ids} == {"unknown"}


def test_lists_of_webhook_ids_are_bounded_and_counts_are_not(monkeypatch):
    monkeypatch.setattr(reports, "MAX_NAMED", 2)
    found = report_of(ledger_of(handled=0))
    assert (found.missing, len(found.missing_ids)) == (3, 2)


def test_percentiles_and_answers():
    found = report_of(ledger_of(100, handled=100))
    assert (found.accept_ms.p50, found.accept_ms.p95, found.accept_ms.p99, found.accept_ms.max) == (50, 95, 99, 100)
    assert found.delay_ms.max == 500
    assert found.answers == {"200 accepted": 100}
    assert report_of(Ledger("run", 1)).delay_ms.max == 0


@pytest.mark.parametrize(
    ("missing", "stored", "losses", "parts"),
    [
        ([], [], 3, []),
        (["a", "b"], ["a", "b", "c"], 0, ["2 are stored and were not handled within 30 s"]),
        (["a", "b"], ["c"], 0, ["2 are no longer in Redis"]),
        (["a", "b"], ["a"], 2, ["1 are stored", "1 are no longer in Redis", "vanished from its streams 2 times"]),
    ],
)
def test_hints_name_the_possible_cause(missing, stored, losses, parts):
    found = hints(missing, stored, losses=losses, wait_s=30)
    assert len(found) == len(parts)
    for hint, part in zip(found, parts, strict=True):
        assert part in hint

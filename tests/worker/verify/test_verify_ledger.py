import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookbus.shared.posting import Answer
from hookbus.worker.verify.ledger import Ledger

NAME = "hookbus.verify.1750000000-abcdefabcdef"


def accepted(code: str = "accepted", latency_ms: float = 1.0) -> Answer:
    return Answer(200, code, latency_ms, "")


REFUSED = Answer(503, "queue_unavailable", 1.0, "")
UNANSWERED = Answer(0, "no_answer", 1.0, "", "Server disconnected")
NEVER_LEFT = Answer(0, "no_connection", 1.0, "", "Connection refused")
FOREIGN = Answer(200, "", 1.0, "")


def ledger_of(*answers: Answer, count: int = 3) -> Ledger:
    ledger = Ledger(NAME, count)
    for answer in answers:
        ledger.answer(0, answer, 10.0)
    return ledger


def fates(ledger: Ledger) -> tuple[int, int, int, int]:
    return tuple(map(len, (ledger.missing(), ledger.duplicate(), ledger.unknown(), ledger.refused())))


@pytest.mark.parametrize(
    ("answers", "handled", "fate"),
    [
        ([accepted()], 1, (0, 0, 0, 0)),
        ([accepted()], 0, (1, 0, 0, 0)),
        ([accepted()], 2, (0, 1, 0, 0)),
        ([accepted("duplicate")], 0, (1, 0, 0, 0)),
        ([REFUSED, UNANSWERED, accepted()], 0, (1, 0, 0, 0)),
        ([REFUSED], 0, (0, 0, 0, 1)),
        ([NEVER_LEFT], 0, (0, 0, 0, 1)),
        ([FOREIGN], 0, (0, 0, 0, 1)),
        ([REFUSED, UNANSWERED, REFUSED], 0, (0, 0, 1, 0)),
        ([UNANSWERED], 1, (0, 0, 0, 0)),
        ([REFUSED], 1, (0, 0, 0, 0)),
        ([], 0, (0, 0, 0, 0)),
    ],
)
def test_each_event_has_one_fate(answers, handled, fate):
    ledger = ledger_of(*answers)
    for _ in range(handled):
        ledger.handle(ledger.webhook_id(0), 11.0)
    assert fates(ledger) == fate
    assert (ledger.posted, ledger.handled) == (bool(answers), min(handled, 1))


def test_the_delay_counts_from_the_200_and_is_never_negative():
    ledger = Ledger(NAME, 4)
    for number, accepted_s, handled_s in ((0, 10.0, 10.5), (1, 10.0, 9.0), (2, 10.0, None), (3, None, 10.0)):
        if accepted_s:
            ledger.answer(number, accepted(latency_ms=3), accepted_s)
        if handled_s:
            ledger.handle(ledger.webhook_id(number), handled_s)
            ledger.handle(ledger.webhook_id(number), handled_s + 5)  # the first counts
    assert list(ledger.delay_ms()) == [500.0, 0.0]
    assert list(ledger.accept_ms) == [3, 3, 3]


def test_an_event_is_due_after_its_200_until_it_is_handled():
    ledger = Ledger(NAME, 2)
    ledger.answer(0, accepted(), 1)
    assert ledger.due == 1
    ledger.handle(ledger.webhook_id(0), 2)
    ledger.handle(ledger.webhook_id(1), 2)
    assert ledger.due == 0
    ledger.answer(1, accepted(), 3)
    ledger.answer(1, accepted("duplicate"), 4)
    assert (ledger.due, ledger.accepted, ledger.handled) == (0, 2, 2)


@pytest.mark.parametrize(
    "strange",
    [
        "",
        "wh_1",
        f"wh_{NAME}_",
        f"wh_{NAME}_3",
        f"wh_{NAME}_01",
        f"wh_{NAME}_-1",
        f"wh_{NAME}_1x",
        f"wh_{NAME}_" + "9" * 30,
    ],
)
def test_webhook_ids_of_other_senders_are_ignored(strange):
    ledger = ledger_of()
    ledger.handle(strange, 1)
    assert (ledger.handled, ledger.duplicate()) == (0, [])


STEPS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([accepted(), REFUSED, UNANSWERED, NEVER_LEFT, None])))


@given(STEPS)
def test_in_any_order_the_counts_agree_with_the_lists(steps):
    ledger = Ledger(NAME, 3)
    for number, answer in steps:
        if answer is None:
            ledger.handle(ledger.webhook_id(number), 1.0)
        else:
            ledger.answer(number, answer, 1.0)
    missing, _, unknown, refused = fates(ledger)
    assert ledger.due == missing
    numbers = {number for number, _ in steps}
    assert ledger.handled + missing + unknown + refused == len(numbers)

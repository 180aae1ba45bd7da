"""The accounts themselves: what they must notice."""

import pytest

from tests.chaos.harness.journal import BEGAN, HANDLED, Journal, Writer
from tests.chaos.harness.ledger import Ledger


@pytest.fixture
def books(tmp_path):
    ledger = Ledger(Journal(tmp_path))
    ledger.expect("alpha")
    for name in ("wh_1", "wh_2"):
        ledger.accept(name, "batch.completed")
    return ledger, Writer(tmp_path)


def test_what_is_neither_handled_nor_dead_is_lost(books):
    ledger, writer = books
    writer.note(HANDLED, "alpha", "wh_1", 1)
    assert ledger.missing() == {"alpha": {"wh_2"}}
    assert ledger.report().lost == 1
    ledger.bury("alpha", {"wh_2"})
    assert ledger.missing() == {}


def test_a_delivery_that_only_began_is_not_handled(books):
    ledger, writer = books
    writer.note(BEGAN, "alpha", "wh_1", 1)
    assert ledger.missing() == {"alpha": {"wh_1", "wh_2"}}


def test_what_another_group_handled_does_not_count(books):
    ledger, writer = books
    writer.note(HANDLED, "beta", "wh_1", 1)
    assert "wh_1" in ledger.missing()["alpha"]


def test_each_further_handling_is_a_duplicate(books):
    ledger, writer = books
    for _ in range(3):
        writer.note(HANDLED, "alpha", "wh_1", 1)
    assert ledger.report().duplicates == 2


def test_what_was_never_accepted_is_a_stranger(books):
    ledger, writer = books
    writer.note(HANDLED, "alpha", "wh_forged", 1)
    assert ledger.strangers() == {"wh_forged"}


def test_half_a_line_waits_for_its_rest(tmp_path):
    journal = Journal(tmp_path)
    path = tmp_path / "1.log"
    path.write_text("1.0 7 began alpha wh_1 1\n2.0 7 hand")
    assert [note.what for note in journal.fresh()] == [BEGAN]
    with path.open("a") as file:
        file.write("led alpha wh_1 1\n")
    assert [note.what for note in journal.fresh()] == [HANDLED]


@pytest.mark.parametrize(
    ("lines", "deaths", "takeover_s"),
    [
        ("1 7 began\n9 8 began", [(2.0, {7})], 7.0),
        ("1 7 began\n1.5 7 handled\n9 8 began", [(2.0, {7})], None),  # it was over when the process went
        ("1 7 began\n9 8 began", [(2.0, {7}), (5.0, {9})], None),  # the heir may have died too
        ("1 7 began\n9 8 began", [(2.0, {6})], None),
        ("1 7 began\n3 8 began\n30 9 began", [(2.0, {7}), (4.0, {8})], 1.0),  # then it is a suspect
    ],
)
def test_a_takeover_lasts_from_the_death_to_the_next_start(tmp_path, lines, deaths, takeover_s):
    (tmp_path / "1.log").write_text("".join(f"{line} alpha wh_1 1\n" for line in lines.splitlines()))
    ledger = Ledger(Journal(tmp_path))
    ledger._gone = [(at_s, frozenset(pids)) for at_s, pids in deaths]
    ledger.missing()
    assert ledger.report().max_takeover_s == takeover_s

"""The ledger: the faults that it must detect."""

import pytest

from tests.chaos.harness.journal import BEGAN, HANDLED, Journal, Writer
from tests.chaos.harness.ledger import Ledger


@pytest.fixture
def accounts(tmp_path):
    ledger = Ledger(Journal(tmp_path))
    ledger.expect("alpha")
    for name in ("wh_1", "wh_2"):
        ledger.accept(name, "batch.completed")
    return ledger, Writer(tmp_path)


def test_a_delivery_neither_handled_nor_dead_is_lost(accounts):
    ledger, writer = accounts
    writer.write(HANDLED, "alpha", "wh_1", 1)
    assert ledger.missing() == {"alpha": {"wh_2"}}
    assert ledger.report().lost == 1
    ledger.add_dead("alpha", {"wh_2"})
    assert ledger.missing() == {}


def test_a_delivery_that_only_began_is_not_handled(accounts):
    ledger, writer = accounts
    writer.write(BEGAN, "alpha", "wh_1", 1)
    assert ledger.missing() == {"alpha": {"wh_1", "wh_2"}}


def test_a_delivery_handled_by_another_group_does_not_count(accounts):
    ledger, writer = accounts
    writer.write(HANDLED, "beta", "wh_1", 1)
    assert "wh_1" in ledger.missing()["alpha"]


def test_each_further_handling_is_a_duplicate(accounts):
    ledger, writer = accounts
    for _ in range(3):
        writer.write(HANDLED, "alpha", "wh_1", 1)
    assert ledger.report().duplicates == 2


def test_an_event_that_was_handled_and_never_accepted_is_reported(accounts):
    ledger, writer = accounts
    writer.write(HANDLED, "alpha", "wh_forged", 1)
    assert ledger.unaccepted() == {"wh_forged"}


def test_half_a_line_waits_for_its_rest(tmp_path):
    journal = Journal(tmp_path)
    path = tmp_path / "1.log"
    path.write_text("1.0 7 began alpha wh_1 1\n2.0 7 hand")
    assert [entry.what for entry in journal.fresh()] == [BEGAN]
    with path.open("a") as file:
        file.write("led alpha wh_1 1\n")
    assert [entry.what for entry in journal.fresh()] == [HANDLED]


@pytest.mark.parametrize(
    ("lines", "deaths", "takeover_s"),
    [
        ("1 7 began\n9 8 began", [(2.0, {7})], 7.0),
        ("1 7 began\n1.5 7 handled\n9 8 began", [(2.0, {7})], None),  # it had ended before the process
        ("1 7 began\n9 8 began", [(2.0, {7}), (5.0, {9})], None),  # the claimant may have died too
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

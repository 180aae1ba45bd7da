"""Tables of dead letters, retries, events and groups in terminals of all widths."""

import re
from collections import Counter

import pytest

from hookbus.shared.entry import Failure
from hookbus.worker.cli import dlq_tables, forget, retries_tables
from hookbus.worker.dlq.causes import Summary
from hookbus.worker.dlq.query import StoredLetter
from hookbus.worker.groups.forget import GroupFootprint, TypeFootprint
from hookbus.worker.pipeline.dead_letter import Kind
from hookbus.worker.retries.plan import Cause
from hookbus.worker.retries.waiting import Waiting
from tests.worker.builders import KEYS, TYPE
from tests.worker.dead_letters import DEAD_MS, letter
from tests.worker.parked import an_entry

WIDTHS = (120, 80, 45)
NOW_MS = DEAD_MS + 3 * 86_400_000
NAME = "wh_0123456789abcdef0123456789abcdef"
MESSAGE = "the refund desk did not answer within a minute, and nobody knows why it is so slow today"
HISTORY = (
    Failure(1, DEAD_MS, 12, "host.1.abcd", MESSAGE),
    Failure(20, DEAD_MS, 999, "host.1.abcd", MESSAGE, times=1200, since_ms=DEAD_MS - 3_600_000),
)


@pytest.fixture(params=WIDTHS)
def printed(request, monkeypatch, capsys):
    """What is printed since, as lines that fit the width."""
    monkeypatch.setenv("COLUMNS", str(request.param))

    def lines() -> list[str]:
        found = capsys.readouterr().out.splitlines()
        assert max(map(len, found)) <= request.param
        return found

    return lines


def words(lines: list[str]) -> set[str]:
    return set(re.split(r"\s+", " ".join(lines)))


def is_whole(lines: list[str]) -> bool:
    """Whether every word of the message is there, unbroken."""
    return set(MESSAGE.split()) <= words(lines)


def test_a_list_of_dead_letters_keeps_the_age_and_the_whole_error(printed):
    dead = letter(NAME, message=MESSAGE)
    dlq_tables.letters([StoredLetter(KEYS, "billing", NAME, DEAD_MS, dead)], NOW_MS)
    lines = printed()
    assert lines[0].split() == ["LETTER", "AGE", "REASON"]
    assert "3d" in lines[1].split()
    assert is_whole(lines)
    assert NAME in "".join(line.split("  ")[0].strip() for line in lines[1:4])


def test_causes_keep_when_the_first_and_the_last_died(printed):
    kind = Kind(TYPE, "rejected", "Reject", "handlers.py:record", MESSAGE)
    summary = Summary("billing", "0123456789ab", kind, 4988, NOW_MS - 86_400_000, NOW_MS - 60_000, 1200)
    dlq_tables.summaries([summary], NOW_MS)
    lines = printed()
    assert {"4,988", "+1,200/h", "0123456789ab", "billing", TYPE} <= words(lines)
    assert all(any(age in line for line in lines) for age in ("first 1d", "last 1m"))
    assert is_whole(lines)


def test_a_very_long_error_is_cut():
    assert str(dlq_tables.short("x" * 1000)) == "x" * (dlq_tables.MOST_ERROR - 1) + "…"


def test_the_history_keeps_attempts_and_errors(printed):
    dlq_tables.history(HISTORY)
    lines = printed()
    assert {"1", "20", "host.1.abcd"} <= words(lines)
    assert any("×1,200 in 1h" in line for line in lines)
    assert is_whole(lines)


def test_retries_keep_when_the_next_attempt_is_due(printed):
    waiting = Waiting(KEYS, "billing", TYPE, "parked", f"{TYPE}||0-0", NOW_MS + 59_000, an_entry(NAME, MESSAGE))
    retries_tables.deliveries([waiting], NOW_MS, is_filtered=False)
    lines = printed()
    assert {"59s,", "parked"} <= words(lines)
    assert is_whole(lines)


def test_causes_of_retries_keep_count_and_error(printed):
    cause = Cause(
        group="billing", type=TYPE, error_class="TimeoutError", message=MESSAGE, count=4988,
        states=Counter({"parked": 4988}), next_due_ms=NOW_MS + 59_000,
    )  # fmt: skip
    retries_tables.causes([cause], NOW_MS)
    lines = printed()
    assert {"4,988", "billing", TYPE} <= words(lines)
    assert is_whole(lines)


def test_what_is_forgotten_keeps_what_would_be_lost(printed):
    forget._show(GroupFootprint("billing", [], {TYPE: TypeFootprint(1200, 3, 4, 50_000)}))
    title, *lines = printed()
    assert {"BACKLOG", "DELAYED", "DEAD"} <= set(title.split())
    assert {"1,200", "4", "50,000"} <= words(lines)

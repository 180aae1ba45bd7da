"""Tables go between their marks, and nowhere else."""

import pytest

from tests.chaos.harness import questions
from tests.chaos.harness.questions import Answer
from tests.peers import report
from tests.peers.compare import Answers

ASKED = questions.every(60.0, 3)


def answers(name, *, is_good):
    about = {"name": name, "versions": {name: "1.2", "redis": "8.1"}, "settings": "`leases` 10 s"}
    return Answers(about, {q.name: Answer("in words", is_good, 12.3 if is_good else None) for q in ASKED})


def test_only_what_is_between_the_marks_is_replaced():
    text = f"before\n{report.BEGIN}\nold\nrows\n{report.END}\nafter\n"
    assert report.between_marks(text, r"new \1") == f"before\n{report.BEGIN}\nnew \\1\n{report.END}\nafter\n"


@pytest.mark.parametrize("text", ["nothing", f"{report.END}\n{report.BEGIN}\n"])
def test_a_text_without_the_marks_is_refused(text):
    with pytest.raises(ValueError, match="marks"):
        report.between_marks(text, "new")


@pytest.mark.parametrize("path", [report.LONG, report.SHORT])
def test_both_readmes_have_the_marks(path):
    assert report.between_marks(path.read_text(), "new")


def test_rows_have_as_many_cells_as_their_heads_and_ours_comes_first():
    both = [answers("ours", is_good=True), answers("theirs", is_good=False)]
    for form in (report.short_form, report.long_form):
        lines = [line for line in form(ASKED, both).splitlines() if "| ours 1.2" in line or "| theirs 1.2" in line]
        assert [line.split()[1] for line in lines[:2]] == ["ours", "theirs"]
        head = form(ASKED, both).splitlines()
        widths = {line.count("|") for line in head if ASKED[0].asks in line and ASKED[1].asks in line}
        assert {line.count("|") for line in lines[:2]} == widths
    assert "| ✓ | ✓ | ✓ | ✓ | ✓ | 12 s |" in report.short_form(ASKED, both)
    assert "| ✗ | ✗ | ✗ | ✗ | ✗ | – |" in report.short_form(ASKED, both)

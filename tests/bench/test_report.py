"""The record of a run as Markdown."""

import pytest

from tests.bench import report

MACHINE = {"cores": 2, "processor": "a processor", "system": "Linux 6", "python": "3.11.7", "load": "wrk"}


def answer(key, value, figures, *, unit="us", goal=None, parts=None, note=""):
    series = [{"name": name, "figures": list(values)} for name, values in figures.items()]
    fields = {"key": key, "value": value, "low": value, "high": value, "unit": unit, "series": series}
    return fields | {"goal": goal, "parts": parts, "note": note}


@pytest.fixture
def results():
    rates = {f"{name}{at}": (us,) for at in ("", " at 10/s", " at 100/s", " at 1000/s")
             for name, us in (("ingest", 50.0), ("worker", 40.0), ("redis", 10.0))}  # fmt: skip
    return {
        "measured_at": "2026-01-01 00:00 UTC",
        "machine": MACHINE,
        "answers": [
            answer("ingest_vs_floor", 0.8, {"hookbus": (8.0, 8.0), "floor": (10.0, 10.0)},
                   unit="requests/s", goal={"bound": "at least", "figure": 0.75}, note="a note"),
            answer("worker_vs_loop", 0.5, {"hookbus": (1.0,), "loop": (2.0,)},
                   unit="events/s", goal={"bound": "at least", "figure": 0.6}),
            answer("cpu_us_per_event", 100.0, rates, parts={"ingest": 50.0, "worker": 40.0, "redis": 10.0}),
            answer("dedupe_bytes_per_id", 40.0, {"hookbus": (40.0,)}, unit="bytes"),
            answer("stored_bytes_vs_raw", 1.05, {"hookbus": (270.0,), "bare XADD": (257.0,)}, unit="bytes"),
        ],
    }  # fmt: skip


def test_a_missed_goal_is_marked(results):
    lines = report.lines(results)
    [floor] = [line for line in lines if line.startswith("| `ingest_vs_floor`")]
    [loop] = [line for line in lines if line.startswith("| `worker_vs_loop`")]
    assert "≥ 0.75 met" in floor
    assert "≥ 0.6 **missed**" in loop
    assert "- `ingest_vs_floor`: a note" in lines


def test_costs_follow_from_the_figures_measured_at_each_rate(results):
    lines = report.lines(results)
    assert "| 1,000 | 100 | 17 | 37.8 | 81.3 |" in lines
    # A core that is half used handles 10,000 events of 50 us.
    [large] = [line for line in lines if line.startswith("| 1,000,000 |")]
    assert large.startswith("| 1,000,000 | 100 | 80 | 20 | 16,")


def test_costs_are_left_out_without_their_figures(results):
    results["answers"] = results["answers"][:2]
    assert not [line for line in report.lines(results) if line.startswith("###")]


def test_a_run_replaces_the_last_one_between_the_marks(results, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\na run of long ago\n{report.END}\nafter\n")
    report.update(readme, results)
    once = readme.read_text()
    assert once.startswith("before\n")
    assert once.endswith("after\n")
    assert "long ago" not in once
    report.update(readme, results)
    assert readme.read_text() == once


def test_a_readme_without_marks_is_an_error_and_stays_unchanged(results, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("nothing here\n")
    with pytest.raises(ValueError, match="marks"):
        report.update(readme, results)
    assert readme.read_text() == "nothing here\n"

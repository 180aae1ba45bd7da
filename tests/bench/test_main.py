"""The run as a whole."""

import pytest

from tests.bench import __main__ as main
from tests.bench import record
from tests.bench.figures import Series, compared, parted
from tests.bench.question import Question


async def works(stage):
    measured = iter([2.0, 1.0, 4.0, 2.0])

    async def next_one() -> float:
        return next(measured)

    ours, other = await stage.rounds_of(ours=next_one, other=next_one)
    return [compared("worker_vs_loop", ours, other, "events/s")]


async def breaks(stage):
    raise RuntimeError("no such peer")


async def test_a_failed_question_does_not_stop_the_others(capsys):
    questions = [
        Question("fails", {"ingest_vs_floor": None}, False, breaks),
        Question("works", {"worker_vs_loop": None}, False, works),
    ]
    answers = await main.ask(questions, is_quick=True, rounds=2)
    assert [(answer.key, answer.value) for answer in answers] == [("worker_vs_loop", 2.0)]
    assert "no such peer" in capsys.readouterr().out


def test_the_last_line_has_the_keys_in_order_and_parts_separately():
    first, second = Series("a", (0.123456,)), Series("b", (1.0,))
    answers = [
        parted("cpu_us_per_event", [first, second], "us"),
        compared("ingest_vs_floor", first, second, "requests/s"),
    ]
    assert list(record.last_line(answers).items()) == [
        ("ingest_vs_floor", 0.1235),
        ("cpu_us_per_event", {"a": 0.1235, "b": 1.0}),
    ]


@pytest.mark.parametrize("arguments", [["--only", "worker_vs_lop"], ["--rounds", "0"]])
def test_an_unknown_key_is_refused_before_anything_runs(arguments, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench", *arguments])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 2
    assert "bench: error" in capsys.readouterr().err

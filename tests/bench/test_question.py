"""The questions as a whole."""

from tests.bench import question


def test_each_key_of_the_last_line_belongs_to_one_question():
    keys = [key for item in question.every() for key in item.goals]
    assert sorted(keys) == sorted(question.KEYS)
    assert len(set(keys)) == len(keys)


def test_the_quick_form_measures_ingest_worker_and_latency():
    starred = {key for item in question.every() if item.is_starred for key in item.goals}
    assert starred == {
        "ingest_vs_floor",
        "ingest_vs_fastapi",
        "worker_vs_loop",
        "worker_vs_best_peer",
        "latency_p50_vs_hops",
        "latency_p99_vs_hops",
    }

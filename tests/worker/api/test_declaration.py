import math

import pytest

from hookbus import Breaker, Retry
from hookbus.worker.api.app import DEFAULT_BREAKER
from hookbus.worker.api.declaration import option_problems


def problems_of(pattern: object = "a", **options: object) -> list[str]:
    defaults = {"concurrency": None, "timeout_s": None, "max_age_s": None, "retry": None, "breaker": DEFAULT_BREAKER}
    return option_problems(pattern, **defaults | options)


class NoRepr:
    def __repr__(self) -> str:
        raise SystemExit(3)


@pytest.mark.parametrize(
    "options",
    [{}, {"concurrency": 1}, {"timeout_s": 0.1}, {"timeout_s": 5}, {"max_age_s": 1e9}, {"retry": Retry()},
     {"breaker": None}, {"breaker": Breaker()}],
    ids=str,
)  # fmt: skip
def test_valid_options_have_no_problems(options):
    assert problems_of(**options) == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("concurrency", 0, "concurrency must be positive, not 0"),
        ("concurrency", -(10**400), "concurrency must be positive"),
        ("concurrency", 10**400, "concurrency must be at most 100000, not"),
        ("concurrency", True, "concurrency must be a whole number, not True"),
        ("concurrency", "5", "concurrency must be a whole number, not '5'"),
        ("concurrency", 2.0, "concurrency must be a whole number, not 2.0"),
        ("timeout_s", "5", "timeout must be a number of seconds, not '5'"),
        ("timeout_s", True, "timeout must be a number of seconds, not True"),
        ("timeout_s", math.nan, "timeout must be positive, not nan"),
        ("timeout_s", math.inf, "timeout must be at most 3.1536e+09, not inf"),
        ("timeout_s", 10**400, "timeout must be at most"),
        ("timeout_s", 1j, "timeout must be a number of seconds, not 1j"),
        ("max_age_s", math.nan, "max_age must be positive, not nan"),
        ("max_age_s", -math.inf, "max_age must be positive, not -inf"),
        ("max_age_s", [20], "max_age must be a number of seconds, not [20]"),
        ("retry", 3, "retry must be a Retry, as in Retry(attempts=3), not 3"),
        ("retry", True, "retry must be a Retry, as in Retry(attempts=3), not True"),
        ("retry", Retry, "retry must be a Retry, as in Retry(attempts=3), not <class"),
        ("retry", {"attempts": 3}, "retry must be a Retry"),
        ("breaker", True, "breaker must be a Breaker, or None for none, not True"),
        ("breaker", False, "breaker must be a Breaker, or None for none, not False"),
        ("breaker", NoRepr(), "breaker must be a Breaker, or None for none, not <NoRepr>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_invalid_value_is_reported_with_the_name_of_the_option(name, value, message):
    (problem,) = problems_of(**{name: value})
    assert problem.startswith(f"on('a'): {message}")
    assert len(problem) < 400
    assert "\n" not in problem


@pytest.mark.parametrize("pattern", [5, None, b"a", ["a"]], ids=repr)
def test_a_pattern_is_text(pattern):
    assert problems_of(pattern) == [f'on({pattern!r}): an event type, "prefix.*" or "*" is needed']


def test_all_problems_are_reported_at_once():
    assert len(problems_of(concurrency=0, timeout_s="x", max_age_s=-1, retry=3, breaker=True)) == 5

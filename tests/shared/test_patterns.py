import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookbus.shared.patterns import is_pattern, matches, patterns_of


@pytest.mark.parametrize(
    ("pattern", "event_type", "is_match"),
    [
        ("*", "anything", True),
        ("response.*", "response.completed", True),
        ("response.*", "response.a.b", True),
        ("response.*", "response", False),
        ("response.*", "responses.a", False),
        ("response.completed", "response.completed", True),
        ("response.completed", "response.completed.more", False),
    ],
)
def test_a_pattern_is_a_type_a_prefix_or_everything(pattern, event_type, is_match):
    assert matches(pattern, event_type) is is_match


@given(st.from_regex(r"[ab.]{1,8}", fullmatch=True), st.from_regex(r"([ab.]{1,8}\.)?\*|[ab.]{1,8}", fullmatch=True))
def test_the_patterns_of_a_type_are_those_that_match_it(event_type, pattern):
    assert (pattern in patterns_of(event_type)) is matches(pattern, event_type)


def test_reserved_types_match_only_their_full_names():
    assert patterns_of("hookbus.verify.x") == ("hookbus.verify.x",)


@pytest.mark.parametrize("text", ["*", "a", "a.b", "a.*", "a.b.*", "order_1-x.*"])
def test_a_type_a_prefix_and_everything_are_patterns(text):
    assert is_pattern(text)


@pytest.mark.parametrize("text", ["", "a*", "*.a", "a.*.*", "a b", ".*.", "a:b", "**", "a/b", "x" * 129])
def test_other_texts_are_no_patterns(text):
    assert not is_pattern(text)

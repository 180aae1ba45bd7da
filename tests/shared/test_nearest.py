import pytest

from hookbus.shared.nearest import did_you_mean, nearest

TYPES = ("response.completed", "response.failed", "batch.completed", "order.paid")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("response.complete", "response.completed"),
        ("respones.failed", "response.failed"),
        ("ORDER.PAID", "order.paid"),
        ("zzz", None),
        ("", None),
    ],
)
def test_the_nearest_name_is_the_most_alike_in_whatever_case(name, found):
    assert nearest(name, TYPES) == found


def test_a_name_is_returned_as_it_is_written():
    assert nearest("billing", ["Audit", "Billing"]) == "Billing"


def test_nothing_is_near_where_nothing_is_known():
    assert nearest("billing", []) is None


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("respones.*", "response.*"), ("respones.failed", "response.failed"), ("Batch.*", "batch.*"), ("zzz.*", None)],
)
def test_the_nearest_of_a_prefix_is_a_prefix_and_of_a_type_a_type(pattern, found):
    assert nearest(pattern, TYPES) == found


def test_a_message_ends_with_a_question_only_if_something_is_near():
    assert did_you_mean("biling", ["billing"]) == "; did you mean billing?"
    assert did_you_mean("biling", ["zzz"]) == ""

import pytest

from hookbus.worker.dlq.unsubscribed import is_unsubscribed

SUBSCRIBED = {"billing": frozenset({"response.*", "order.paid"}), "audit": frozenset({"*"})}


@pytest.mark.parametrize(
    ("group", "event_type", "expected"),
    [
        ("billing", "eval.run.failed", True),
        ("billing", "response.completed", False),
        ("billing", "order.paid", False),
        ("audit", "made.up", False),
        ("silent", "made.up", False),
    ],
)
def test_only_types_that_the_published_patterns_of_a_group_exclude_are_unsubscribed(group, event_type, expected):
    assert is_unsubscribed(SUBSCRIBED, group, event_type) is expected

import pytest

from hookbus import Retry
from hookbus.shared.release import VERSION
from hookbus.worker.inventory.readers import (
    MAX_PATTERNS,
    UNKNOWN,
    Options,
    Registration,
    disputed,
    register,
    register_routes,
    registration,
)
from tests.worker.builders import a_route


@pytest.mark.parametrize(
    ("patterns", "only", "event_type", "expected"),
    [
        (("response.completed",), "", "response.completed", True),
        (("response.*",), "", "response.completed", True),
        (("response.*",), "", "batch.failed", False),
        (("*",), "batch.*", "batch.failed", True),
        (("*",), "batch.*", "response.completed", False),
        ((), "", "response.completed", True),  # of another release: unknown patterns
        ((), "batch.*", "response.completed", False),
        (("*",), "", "hookbus.own", False),
    ],
)
def test_a_consumer_reads_what_it_subscribes_to_and_is_limited_to(patterns, only, event_type, expected):
    assert Registration(1, patterns, only).reads(event_type) is expected


def test_a_registration_written_and_read_is_unchanged():
    assert registration(register(7, ["a.b", "*"], "a.*")) == Registration(7, ("a.b", "*"), "a.*", version=VERSION)
    assert not registration(register(7, ["a.b"], "", has_quarantine=False)).has_quarantine


def test_a_consumer_with_too_many_patterns_publishes_none():
    many = [f"order.{i}" for i in range(MAX_PATTERNS + 1)]
    assert registration(register(7, many, "")) == Registration(7, version=VERSION)
    assert len(registration(register(7, many[1:], "")).patterns) == MAX_PATTERNS


def test_a_consumer_publishes_the_options_of_its_subscriptions():
    route = a_route(lambda event: None, concurrency=3, timeout=4, max_age=5, retry=Retry(6, 7, 8, 9, 10))
    found = registration(register_routes(7, [route], "", has_quarantine=False))
    assert found.patterns == (route.pattern,)
    assert found.options == (Options(3, 4, 5, 6, 7, 8, 9, 10),)
    assert list(found.taken()) == [(route.pattern, ())]
    assert not found.has_quarantine


def test_a_consumer_publishes_the_sources_that_a_subscription_takes():
    route = a_route(lambda event: None, source=("partner", "openai"))
    assert list(registration(register_routes(7, [route], "", has_quarantine=False)).taken()) == [
        (route.pattern, ("openai", "partner"))
    ]


def test_options_of_a_release_without_sources_are_read():
    found = registration(b'{"patterns": ["*"], "options": [[1, 2.0, null, 4, 5.0, 6.0, 7.0, 8.0]]}')
    assert list(found.taken()) == [("*", ())]


@pytest.mark.parametrize("info", [b"", b"{", b"[]", b'{"patterns": 1}', b"\xff", b"{}", b'{"pid": 3, "space": "x"}'])
def test_an_unreadable_registration_is_unknown_and_may_read_everything(info):
    assert registration(info) == UNKNOWN
    assert registration(info).reads("batch.failed")


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], []),
        ([("a",)], []),
        ([("a", "b"), ("b", "a")], []),
        ([("a", "b"), ("a",), ()], ["b"]),
        ([("a",), ("b",)], ["a", "b"]),
    ],
)
def test_patterns_that_only_some_consumers_subscribe_to_are_disputed(patterns, expected):
    assert disputed(Registration(1, each) for each in patterns) == expected

import pytest

from hookbus.worker.inventory.readers import MAX_PATTERNS, UNKNOWN, Registration, disputed, register, registration


@pytest.mark.parametrize(
    ("patterns", "only", "event_type", "expected"),
    [
        (("response.completed",), "", "response.completed", True),
        (("response.*",), "", "response.completed", True),
        (("response.*",), "", "batch.failed", False),
        (("*",), "batch.*", "batch.failed", True),
        (("*",), "batch.*", "response.completed", False),
        ((), "", "response.completed", True),  # of another release: who knows
        ((), "batch.*", "response.completed", False),
        (("*",), "", "hookbus.own", False),
    ],
)
def test_a_consumer_reads_what_it_subscribes_to_and_is_limited_to(patterns, only, event_type, expected):
    assert Registration(1, patterns, only).reads(event_type) is expected


def test_what_is_published_is_read():
    assert registration(register(7, ["a.b", "*"], "a.*")) == Registration(7, ("a.b", "*"), "a.*")


def test_one_with_very_many_patterns_publishes_none():
    many = [f"order.{i}" for i in range(MAX_PATTERNS + 1)]
    assert registration(register(7, many, "")) == Registration(7)
    assert len(registration(register(7, many[1:], "")).patterns) == MAX_PATTERNS


@pytest.mark.parametrize("info", [b"", b"{", b"[]", b'{"patterns": 1}', b"\xff", b"{}", b'{"pid": 3, "space": "x"}'])
def test_of_a_consumer_of_another_release_nothing_is_known(info):
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
def test_what_some_subscribe_to_and_others_not_is_disputed(patterns, expected):
    assert disputed(Registration(1, each) for each in patterns) == expected

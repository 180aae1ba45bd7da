import pytest

from hookbus.worker.inspect import troubles
from hookbus.worker.inspect.group_status import GroupStatus, TypeStatus
from hookbus.worker.inspect.status import Status
from hookbus.worker.inspect.troubles import Grade
from hookbus.worker.inventory.pauses import Paused
from hookbus.worker.inventory.suspensions import Held, Opened

NOW_MS = 1_000_000
TYPE = "response.completed"
OPENED = Opened("a1b2c3", "TimeoutError: too slow", NOW_MS - 1, NOW_MS + 25_000)
LATE = Opened("a1b2c3", "TimeoutError: too slow", NOW_MS - 1, NOW_MS - 1)
BACKLOG = {TYPE: TypeStatus(backlog=3, in_flight=1)}


def group(**fields) -> GroupStatus:
    return GroupStatus(**{"consumers": 1, "consumers_alive": 1, **fields})


SAYINGS = [
    ({}, Grade.FINE, []),
    ({"types": BACKLOG}, Grade.FINE, []),
    ({"delayed": 3, "next_due_ms": NOW_MS + 12_000}, Grade.FINE, ["3 delayed, next in 12s"]),
    ({"delayed": 1, "next_due_ms": NOW_MS - 1}, Grade.FINE, ["1 delayed, next due"]),
    ({"paused": {"*": Paused(reason="budget")}}, Grade.WAITS, ["paused: * (budget)"]),
    ({"held": {TYPE: Held("429", 0, NOW_MS + 60_000)}}, Grade.WAITS, [f"{TYPE} held for 1m more (429)"]),
    ({"is_foreign": True, "types": BACKLOG}, Grade.WAITS, ["not created by hookbus, holds up trimming"]),
    ({"disputed": ["a.*", "b"]}, Grade.WAITS, ["consumers disagree about a.*, b"]),
    ({"dead": 8}, Grade.DEAD, ["8 dead"]),
    ({"dropped": 2}, Grade.DEAD, ["2 dead letters dropped by retention"]),
    ({"losses": 2}, Grade.DEAD, ["data loss seen 2 times"]),
    (
        {"breakers": {TYPE: OPENED}},
        Grade.STOPPED,
        [f"breaker of {TYPE} open, tries in 25s (a1b2c3: TimeoutError: too slow)"],
    ),
    (
        {"breakers": {TYPE: LATE}},
        Grade.STOPPED,
        [f"breaker of {TYPE} open, tries now (a1b2c3: TimeoutError: too slow)"],
    ),
    ({"unread": {TYPE: 3}}, Grade.STOPPED, [f"no live consumer reads {TYPE}: 3 wait"]),
    ({"unsubscribed": {TYPE: 3}}, Grade.STOPPED, [f"3 of {TYPE} wait, and the group does not subscribe to it"]),
    ({"unknown_sources": {"partnr": [TYPE]}}, Grade.STOPPED, [f"{TYPE} takes source partnr, which no ingest has"]),
    ({"waiting_suspects": {TYPE: 1}}, Grade.STOPPED, [f"1 suspect of {TYPE} wait for a worker with a quarantine"]),
    ({"consumers_alive": 0, "types": BACKLOG}, Grade.STOPPED, ["no worker"]),
    (
        {"consumers_alive": 0, "types": BACKLOG, "abandoned_s": 3_600.0},
        Grade.STOPPED,
        ["abandoned for 1h, holds up trimming"],
    ),
]


@pytest.mark.parametrize(("fields", "grade", "texts"), SAYINGS)
def test_what_is_said_about_a_group_and_how_grave_it_is(fields, grade, texts):
    found = troubles.of_group(group(**fields), NOW_MS)
    assert [each.text for each in found] == texts
    assert troubles.grade(found) == grade


def test_the_gravest_is_said_first():
    found = troubles.of_group(group(dead=1, delayed=2, breakers={TYPE: OPENED}, disputed=["x"]), NOW_MS)
    assert [each.grade for each in found] == [Grade.STOPPED, Grade.DEAD, Grade.WAITS, Grade.FINE]


def test_texts_from_outside_are_one_line_without_control_characters():
    opened = Opened("a1b2c3", "\x1b[31mred\nand more", 0, 0)
    [found] = troubles.of_group(group(breakers={TYPE: opened}), NOW_MS)
    assert "\\x1b[31mred" in found.text
    assert "and more" not in found.text


def headline(groups: dict[str, GroupStatus], **fields) -> str:
    found = {name: troubles.of_group(each, NOW_MS) for name, each in groups.items()}
    return " · ".join(each.text for each in troubles.headline(Status(groups, shards=1, **fields), found))


def test_the_headline_counts_the_troubles_then_what_waits():
    groups = {
        "billing": group(dead=8, breakers={TYPE: OPENED}, types={TYPE: TypeStatus(backlog=1_512, in_flight=2)}),
        "audit": group(delayed=1, types={TYPE: TypeStatus(backlog=3)}),
    }
    assert headline(groups) == "2 groups · 1 breaker open · 8 dead · 1,515 backlog · 2 in flight · 1 delayed"


def test_the_headline_of_a_bus_in_order_says_so():
    assert headline({"billing": group(), "audit": group()}) == "2 groups · nothing waits"


@pytest.mark.parametrize(("fields", "gravest", "texts"), [each for each in SAYINGS if each[1] >= Grade.DEAD])
def test_each_grave_trouble_of_a_group_changes_the_headline(fields, gravest, texts):
    calm = group(types=fields.get("types", {}))
    assert headline({"billing": group(**fields)}) != headline({"billing": calm}), texts
    found = {"billing": troubles.of_group(group(**fields), NOW_MS)}
    assert troubles.headline(Status({"billing": group(**fields)}, shards=1), found)[1].grade == gravest


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"faults": ["Redis is full"]}, "1 fault of Redis"),
        ({"not_ready": {"host.1.abc": "draining"}}, "1 ingest not ready"),
        ({"unusable": {"key": "WRONGTYPE"}}, "1 unusable key"),
    ],
)
def test_each_trouble_of_the_whole_bus_changes_the_headline(fields, text):
    assert headline({"billing": group()}, **fields) == f"1 group · {text}"
    [found] = troubles.of_bus(Status(shards=1, **fields))
    assert found.grade is Grade.STOPPED


def test_the_headline_names_every_kind_of_trouble():
    groups = {
        "a": group(consumers_alive=0, types=BACKLOG),
        "b": group(unread={TYPE: 3}, unsubscribed={TYPE: 4}),
        "c": group(paused={"*": Paused(reason="")}, held={TYPE: Held("429", 0, NOW_MS + 60_000)}),
    }
    said = headline(groups, orphans={"x": 5}, unusable={"key": "WRONGTYPE"}).split(" · ")
    assert said[:7] == [
        "3 groups",
        "1 unusable key",
        "1 group without a worker",
        "7 read by nobody",
        "1 pause",
        "1 hold",
        "5 orphans",
    ]

import pytest

from hookbus.worker.inspect import headline, troubles
from hookbus.worker.inspect.group_status import GroupStatus, TypeStatus
from hookbus.worker.inspect.status import Status
from hookbus.worker.inspect.trouble import Grade, Kind, Trouble
from hookbus.worker.inventory.pauses import Paused
from hookbus.worker.inventory.suspensions import Held, Opened

NOW_MS = 1_000_000
TYPE = "response.completed"
OPENED = Opened("a1b2c3", "TimeoutError: too slow", NOW_MS - 360_000, NOW_MS + 25_000)
LATE = Opened("a1b2c3", "TimeoutError: too slow", NOW_MS - 360_000, NOW_MS - 1)
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
    ({"disputed": ["a.*", "b"]}, Grade.WAITS, ["only some consumers subscribe to a.*, b"]),
    ({"consumers": 3}, Grade.WAITS, ["2 dead consumers"]),
    (
        {"missing": 2},
        Grade.WAITS,
        ["missing on 2 streams with events for it, though workers are alive"],
    ),
    ({"dead": 8}, Grade.DEAD, ["8 dead letters"]),
    ({"dropped": 2}, Grade.DEAD, ["2 dead letters dropped by retention"]),
    ({"losses": 2}, Grade.DEAD, ["data loss: its streams vanished 2 times and were created again"]),
    (
        {"breakers": {TYPE: OPENED}},
        Grade.STOPPED,
        [f"breaker of {TYPE} open for 6m, tries in 25s (a1b2c3: TimeoutError: too slow)"],
    ),
    (
        {"breakers": {TYPE: LATE}},
        Grade.STOPPED,
        [f"breaker of {TYPE} open for 6m, tries now (a1b2c3: TimeoutError: too slow)"],
    ),
    (
        {"unread": {TYPE: 3}},
        Grade.STOPPED,
        [f"no live consumer reads {TYPE}: 3 events wait, and hold up trimming"],
    ),
    (
        {"unsubscribed": {TYPE: 3}},
        Grade.STOPPED,
        [f"3 events of {TYPE} wait, and the group does not subscribe to it"],
    ),
    (
        {"unknown_sources": {"partnr": [TYPE]}},
        Grade.STOPPED,
        [f"takes events of source 'partnr' ({TYPE}), which is none of ingest's: partner; did you mean partner?"],
    ),
    ({"waiting_suspects": {TYPE: 1}}, Grade.STOPPED, [f"1 suspect of {TYPE} waits for a worker with a quarantine"]),
    ({"consumers": 0, "consumers_alive": 0, "types": BACKLOG}, Grade.STOPPED, ["no live worker, 4 events wait"]),
    ({"unread": {TYPE: 1}}, Grade.STOPPED, [f"no live consumer reads {TYPE}: 1 event waits, and holds up trimming"]),
    (
        {"consumers": 0, "consumers_alive": 0, "types": BACKLOG, "abandoned_s": 3_600.0},
        Grade.STOPPED,
        ["abandoned for 1h, 4 events wait and hold up trimming"],
    ),
]
OF_BUS = [
    ({"memory_share": 0.95}, "1 nearly full Redis", "Redis has used 95% of its memory"),
    ({"memory_share": 1.01}, "1 full Redis", "Redis is full"),
    ({"can_save": False}, "1 failed save", "Redis' last write of its append-only file or snapshot failed"),
    ({"not_ready": {"host.1.abc": "draining"}}, "1 ingest not ready", "ingest host.1.abc is not ready: draining"),
    ({"unusable": {"key": "WRONGTYPE"}}, "1 unusable key", "Redis refuses key: WRONGTYPE"),
    ({"orphans": {"odd.type": 3}}, "3 orphans", "3 events of type odd.type, to which no group subscribes"),
]


def of_group(fields) -> list[Trouble]:
    return troubles.by_group(Status({"billing": group(**fields)}, sources=["partner"]), NOW_MS)["billing"]


@pytest.mark.parametrize(("fields", "grade", "texts"), SAYINGS)
def test_what_is_said_about_a_group_and_how_grave_it_is(fields, grade, texts):
    found = of_group(fields)
    assert [each.problem for each in found] == texts
    assert [each.sentence for each in found] == [f"billing: {text}" for text in texts]
    assert troubles.grade(found) == grade


def test_the_worst_is_said_first():
    found = of_group({"dead": 1, "delayed": 2, "breakers": {TYPE: OPENED}, "disputed": ["x"]})
    assert [each.grade for each in found] == [Grade.STOPPED, Grade.DEAD, Grade.WAITS, Grade.FINE]
    ranks = sorted(Kind, key=lambda kind: kind.rank)
    assert [kind.grade for kind in ranks] == sorted((kind.grade for kind in Kind), reverse=True)


def headline_of(groups: dict[str, GroupStatus], **fields) -> str:
    status = Status(groups, shards=1, **fields)
    found = [*troubles.of_bus(status)]
    for of_one in troubles.by_group(status, NOW_MS).values():
        found += of_one
    return " · ".join(each.problem for each in headline.of(status, found))


def test_the_headline_counts_the_troubles_then_what_waits():
    groups = {
        "billing": group(dead=8, breakers={TYPE: OPENED}, types={TYPE: TypeStatus(backlog=1_512, in_flight=2)}),
        "audit": group(delayed=1, types={TYPE: TypeStatus(backlog=3)}),
    }
    assert headline_of(groups) == "2 groups · 1 breaker open · 8 dead · 1,515 backlog · 2 in flight · 1 delayed"


def test_the_headline_of_a_bus_in_order_says_so():
    assert headline_of({"billing": group(), "audit": group()}) == "2 groups · nothing waits"


@pytest.mark.parametrize(("fields", "texts"), [(each[0], each[2]) for each in SAYINGS if each[1]])
def test_each_trouble_of_a_group_changes_the_headline(fields, texts):
    calm = group(types=fields.get("types", {}))
    sources = {"sources": ["partner"]}
    assert headline_of({"billing": group(**fields)}, **sources) != headline_of({"billing": calm}, **sources), texts


@pytest.mark.parametrize(("fields", "counted", "begins"), OF_BUS)
def test_each_trouble_of_the_whole_bus_is_told_and_changes_the_headline(fields, counted, begins):
    assert headline_of({"billing": group()}, **fields) == f"1 group · {counted}"
    [found] = troubles.of_bus(Status(shards=1, **fields))
    assert found.sentence.startswith(begins)


def test_nine_tenths_of_the_memory_are_no_trouble_yet():
    assert troubles.of_bus(Status(memory_share=0.9)) == []


def test_the_headline_names_every_kind_of_trouble():
    groups = {
        "a": group(consumers_alive=0, types=BACKLOG),
        "b": group(unread={TYPE: 3}, unsubscribed={TYPE: 4}),
        "c": group(paused={"*": Paused(reason="")}, held={TYPE: Held("429", 0, NOW_MS + 60_000)}),
    }
    said = headline_of(groups, orphans={"x": 5}, unusable={"key": "WRONGTYPE"}).split(" · ")
    assert said[:9] == [
        "3 groups",
        "1 unusable key",
        "1 group without a worker",
        "4 unsubscribed",
        "3 unread",
        "1 pause",
        "1 hold",
        "1 dead consumer",
        "5 orphans",
    ]

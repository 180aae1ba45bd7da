from hookbus.worker.console import attention
from hookbus.worker.inspect.group_status import GroupStatus
from hookbus.worker.inventory.pauses import Paused
from tests.worker.console.looks import OPENED, a_cause, a_look


def test_nothing_needs_somebody_on_a_quiet_bus_though_old_letters_are_there():
    look = a_look({"billing": GroupStatus(consumers_alive=1, consumers=1, dead=4)}, [a_cause()])
    assert attention.of_look(look) == []
    assert [each.kind.code for each in attention.told_only(look)] == ["dead_letters"]


def test_grave_troubles_come_first_with_their_group():
    groups = {
        "audit": GroupStatus(consumers_alive=1, consumers=1, paused={"*": Paused()}),
        "billing": GroupStatus(consumers_alive=1, consumers=1, breakers={"response.failed": OPENED}),
    }
    found = attention.of_look(a_look(groups, can_save=False, memory_share=0.95))
    assert [(each.kind.code, each.is_grave, each.group) for each in found] == [
        ("last_save_failed", True, ""),
        ("redis_nearly_full", True, ""),
        ("breaker_open", True, "billing"),
        ("paused", False, "audit"),
    ]


def test_deaths_are_grave_when_they_are_many_beside_the_hour_before():
    for died, code in (((3, 0), "deaths"), ((4, 0), "deaths_surge"), ((30, 10), "deaths"), ((31, 10), "deaths_surge")):
        [trouble] = attention.of_look(a_look({}, [a_cause()], died=died))
        assert (trouble.kind.code, trouble.is_grave) == (code, code == "deaths_surge"), died
        assert trouble.problem.endswith("; the last: KeyError in billing")


def test_the_troubles_of_a_group_are_one_line():
    group = GroupStatus(consumers_alive=0, consumers=1, paused={"*": Paused()}, breakers={"a": OPENED})
    look = a_look({"billing": group, "audit": group}, can_save=False)
    lines = [[(each.group, each.kind.code) for each in line] for line in attention.folded(attention.of_look(look))]
    codes = ["breaker_open", "paused", "dead_consumers"]
    assert lines == [[("", "last_save_failed")], *([(name, code) for code in codes] for name in ("billing", "audit"))]

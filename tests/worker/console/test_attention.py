import re

from hookbus.worker.console import attention
from hookbus.worker.inspect.group_status import GroupStatus
from hookbus.worker.inventory.pauses import Paused
from tests.programs import ROOT
from tests.worker.console.looks import OPENED, a_cause, a_look


def test_nothing_needs_somebody_on_a_quiet_bus_though_old_letters_are_there():
    group = GroupStatus(consumers_alive=1, consumers=1, dead=4)
    assert attention.of_look(a_look({"billing": group}, [a_cause()])) == []


def test_grave_troubles_come_first_with_their_group():
    groups = {
        "audit": GroupStatus(consumers_alive=1, consumers=1, paused={"*": Paused()}),
        "billing": GroupStatus(consumers_alive=1, consumers=1, breakers={"response.failed": OPENED}),
    }
    found = attention.of_look(a_look(groups, can_save=False, used_memory_bytes=95))
    assert [(each.code, each.is_grave, each.group) for each in found] == [
        ("breaker_open", True, "billing"),
        ("cannot_save", True, ""),
        ("memory", True, ""),
        ("paused", False, "audit"),
    ]


def test_deaths_are_grave_when_they_are_many_beside_the_hour_before():
    for died, is_grave in (((3, 0), False), ((4, 0), True), ((30, 10), False), ((31, 10), True)):
        [trouble] = attention.of_look(a_look({}, [a_cause()], died=died))
        assert (trouble.code, trouble.is_grave) == ("deaths", is_grave), died
        assert "KeyError in billing" in trouble.action


def test_the_troubles_of_a_group_are_one_line_that_names_them_all():
    group = GroupStatus(consumers_alive=0, consumers=1, paused={"*": Paused()}, breakers={"a": OPENED})
    look = a_look({"billing": group, "audit": group}, can_save=False)
    lines = attention.folded(attention.of_look(look))
    assert [(each.group, each.code) for each in lines] == [
        ("billing", "breaker_open"),
        ("audit", "breaker_open"),
        ("", "cannot_save"),
    ]
    assert [problem for problem in lines[0].also if problem.startswith("billing is paused")]
    assert sum(1 + len(each.also) for each in lines) == len(attention.of_look(look))


def test_what_nobody_has_to_act_on_is_told_apart_from_what_is_counted():
    look = a_look({"billing": GroupStatus(consumers_alive=1, consumers=1, dead=4)})
    assert ([each.code for each in attention.uncounted(look)], attention.of_look(look)) == (["dead_letters"], [])


def test_each_trouble_of_the_runbook_has_a_section_there():
    sections = re.findall(r"^## (\w+)$", (ROOT / "deploy/RUNBOOK.md").read_text(), re.MULTILINE)
    assert set(attention.RUNBOOK.values()) <= set(sections)
    assert set(attention.GRAVE) <= set(attention.RUNBOOK)


def test_a_trouble_has_a_button_where_one_resume_ends_it_and_a_line_has_that_of_its_first_such():
    groups = {
        "audit": GroupStatus(consumers_alive=1, consumers=1, paused={"*": Paused()}),
        "billing": GroupStatus(consumers_alive=0, consumers=1, abandoned_s=900.0, breakers={"a.b": OPENED}),
        "many": GroupStatus(consumers_alive=1, consumers=1, paused={"a": Paused(), "b": Paused()}),
    }
    found = {each.group: each.help for each in attention.folded(attention.of_look(a_look(groups)))}
    assert found == {"audit": ("Resume", "*"), "billing": ("Reset breaker", "a.b"), "many": None}

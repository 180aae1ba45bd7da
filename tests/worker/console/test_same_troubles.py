"""A trouble is the same wherever it is shown: `status`, `check` and the console have its words, gravity and section of
the runbook from one place, and what they advise exists.
"""

import html
import re

import pytest
from rich.console import Console

from hookbus.worker import check
from hookbus.worker.cli import status_view
from hookbus.worker.console import attention, routes
from hookbus.worker.console.templates import Templates
from hookbus.worker.console.verbs import VERBS
from hookbus.worker.inspect import troubles
from hookbus.worker.inspect.group_status import GroupStatus
from hookbus.worker.inspect.trouble import Grade, Kind, Trouble
from tests.command_tree import require_command
from tests.programs import ROOT
from tests.worker.console.looks import a_cause, a_look
from tests.worker.inspect.test_troubles import OF_BUS, SAYINGS, group

SECTIONS = re.findall(r"^## (\w+)$", (ROOT / "deploy/RUNBOOK.md").read_text(), re.MULTILINE)
OF_CONSOLE = {Kind.DEATHS, Kind.SURGE}
"""Only it looks at the deaths of hours."""
COLOURS = {Grade.STOPPED: 31, Grade.DEAD: 31, Grade.WAITS: 33}
"""Of a terminal: red and yellow."""
LOOKS = [
    a_look(
        {f"group-{i}": group(**fields) for i, (fields, *_) in enumerate(SAYINGS)},
        [a_cause()],
        died=died,
        sources=["partner"],
        **{name: value for fields, *_ in [*OF_BUS, full] for name, value in fields.items()},
    )
    for died, full in (((9, 0), ({},)), ((9, 9), ({"memory_share": 0.95},)))
]


def shown(look) -> list[Trouble]:
    return [*attention.of_look(look), *attention.told_only(look)]


ALL = {each.sentence: each for look in LOOKS for each in shown(look)}


def drawn(look) -> str:
    environment = Templates({}, runbook="R.md")._environment
    return environment.get_template("macros.html").module.attention([[each] for each in shown(look)], acts=True)


def test_there_is_one_of_each_kind():
    assert {each.kind for each in ALL.values()} == {kind for kind in Kind if kind.grade}
    assert len({kind.code for kind in Kind}) == len(Kind)


@pytest.mark.parametrize("look", LOOKS)
def test_status_shows_the_words_and_the_gravity_of_each(look):
    console = Console(width=400, force_terminal=True, color_system="standard")
    with console.capture() as capture:
        console.print(status_view.page(look.bus.status, 10_000, console, is_all=True))
    text = capture.get()
    for each in shown(look):
        if each.kind not in {*OF_CONSOLE, Kind.ORPHAN}:  # orphans have a table there
            assert re.search(rf"\x1b\[(1;)?{COLOURS[each.grade]}m{re.escape(each.problem)}\x1b", text), each


@pytest.mark.parametrize("look", LOOKS)
def test_check_finds_each_with_the_same_words_and_section(look):
    found = {(each.code, each.problem, each.action, each.runbook) for each in check.of_bus(look.bus, [], frozenset())}
    assert found == {
        (each.kind.code, each.sentence, each.action, each.kind.section)
        for each in shown(look)
        if each.kind not in OF_CONSOLE
    }


@pytest.mark.parametrize("look", LOOKS)
def test_the_console_draws_each_with_the_same_words_gravity_and_section(look):
    lines = [html.unescape(line) for line in drawn(look).split("<li>")[1:]]
    for line, each in zip(lines, shown(look), strict=True):
        assert f': </span>{each.sentence}</b> <span class="dim">· {each.action}<' in line
        assert ("dot warn" in line) == (each.grade is Grade.WAITS)
        assert ("Runbook</a>" in line) == bool(each.kind.section)
        assert f'href="R.md#{each.kind.section.lower()}"' in line or not each.kind.section


def test_each_section_is_one_of_the_runbook():
    assert {kind.section for kind in Kind} - {""} <= set(SECTIONS)
    assert all(kind.section for kind in Kind if kind.grade is Grade.STOPPED)


@pytest.mark.parametrize("sentence", ALL)
def test_each_command_that_is_advised_exists(sentence):
    action = ALL[sentence].action
    assert action
    for line in re.findall(r"hookbus-(?:ingest|worker) [^;]+", action):
        require_command(line)


def test_each_button_is_the_command_that_is_advised_and_posts_to_a_page():
    offered = [each for each in ALL.values() if each.remedy]
    assert {each.remedy.verb for each in offered} == {"forget", "resume"}
    assert all(each.action.endswith(each.remedy.command) for each in offered)
    forms = re.findall(r'action="([^"]+)">(.*?)</form>', drawn(LOOKS[0]), re.DOTALL)
    assert len(forms) == sum(bool(each.remedy) for each in shown(LOOKS[0]))
    for path, fields in forms:
        assert routes.find("POST", path), path
        assert path != "/plan" or re.search(r'name="verb" value="([^"]+)"', fields)[1] in VERBS


def test_a_line_of_several_troubles_has_the_button_of_the_worst_that_has_one():
    stopped = GroupStatus(consumers_alive=0, consumers=1, abandoned_s=900.0, paused=SAYINGS[4][0]["paused"])
    [line] = attention.folded(troubles.of_status(a_look({"billing": stopped}).bus.status, 0))
    text = Templates({}, runbook="")._environment.get_template("macros.html").module.attention([line], acts=True)
    assert re.findall(r'class="btn small"[^>]*>(\w+)…', text) == ["Forget"]
    assert "<br>also: paused: * (budget)" in text

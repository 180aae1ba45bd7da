"""Skips: only for tools of the list, counted by reason at the end of a run, and failures for required tools."""

import ast
import os
import subprocess
import sys

import pytest

from tests import servers, tools
from tests.programs import ROOT

SKIPS = {"skip", "skipif", "importorskip", "xfail", "skipTest", "SkipTest"}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs pytest, with the settings of this project, over tests that need a tool which never exists."""
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "from tests import tools\n"
        "tools.TOOLS['moon'] = tools.Tool('wait for the night', lambda: False)\n"
        "@pytest.mark.needs('moon')\n"
        "def test_marked(): pass\n"
        "def test_calling(): tools.need('moon')\n"
        "def test_other(): assert tools.need('linux')\n"
    )

    def run(*options, **environ):
        command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", ROOT / "pyproject.toml"]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        arguments = {"cwd": ROOT, "env": clean | environ, "capture_output": True, "text": True}
        return subprocess.run([*command, *options, tmp_path], check=False, **arguments)

    return run


@pytest.mark.parametrize("jobs", ["0", "2"])
def test_skips_are_counted_by_reason_at_the_end_and_the_environment_names_the_required_tools(run, jobs, tmp_path):
    with (tmp_path / "test_it.py").open("a") as file:
        file.write("def test_required(): assert tools._required == {'linux', 'proc'}\n")
    done = run("-n", jobs, HOOKBUS_TESTS_REQUIRE="linux, proc")
    assert done.returncode == 0, done.stdout
    *_, section, line, closing = filter(None, done.stdout.splitlines())
    assert "skipped, by reason" in section
    assert line == "    2 no moon (wait for the night)"
    assert "2 passed, 2 skipped" in closing


@pytest.mark.parametrize("jobs", ["0", "2"])
def test_a_required_tool_that_is_missing_fails_the_run(run, jobs, tmp_path):
    text = (tmp_path / "test_it.py").read_text()
    (tmp_path / "test_it.py").write_text(text + "tools.require(['moon'])\n")
    done = run("-n", jobs)
    assert done.returncode == 1
    assert "no moon (wait for the night), and HOOKBUS_TESTS_REQUIRE names it" in done.stdout
    assert "skipped" not in done.stdout.splitlines()[-1]


def test_a_required_tool_has_to_be_in_the_list(run):
    done = run(HOOKBUS_TESTS_REQUIRE="linux,promtol")
    assert done.returncode == 4
    assert "no such tool: promtol; there are promtool, " in done.stderr


def test_tests_are_skipped_only_for_tools_of_the_list():
    for file in sorted((ROOT / "tests").rglob("*.py")):
        if file == ROOT / "tests/tools.py":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            assert name not in SKIPS, f"{file.relative_to(ROOT)}:{node.lineno}: tests.tools has the only way to skip"
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("need", "needs", "find"):
                names = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                is_needed = node.func.attr == "needs" or ast.unparse(node.func).startswith("tools.")
                assert not is_needed or set(names) <= tools.TOOLS.keys(), f"{file}:{node.lineno}: not in the list"


def test_ci_requires_every_tool_of_the_list_that_it_can_install():
    script = (ROOT / ".ci/run").read_text()
    [required] = [line for line in script.splitlines() if "HOOKBUS_TESTS_REQUIRE=" in line]
    not_installed = {servers.OWN, "python-3.12"}  # CI runs on the oldest Python that is supported
    assert set(required.partition("=")[2].split(",")) == tools.TOOLS.keys() - not_installed


def test_the_page_names_each_tested_server():
    page = (ROOT / "shared/README.md").read_text()
    for name in servers.SERVERS:
        assert f"\n| {name.capitalize().replace('-', ' ')} | {name.partition('-')[2]}." in page

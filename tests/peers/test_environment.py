"""Environments for other projects' packages, without a registry: requirements may be folders."""

import subprocess
from pathlib import Path

import pytest

from tests.peers import environment
from tests.peers.environment import python_of

# Creating one takes seconds, and longer on a busy machine.
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(autouse=True)
def _private(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "FOLDER", tmp_path / "environments")


def created_ns(python: Path) -> int:
    return (python.parent.parent / "pyvenv.cfg").stat().st_mtime_ns


def test_an_environment_is_made_once_for_the_same_requirements():
    python = python_of("peer", [])
    assert subprocess.check_output([python, "-c", "import sys; print(sys.prefix)"], text=True).endswith("peer\n")
    first_ns = created_ns(python)
    assert created_ns(python_of("peer", [])) == first_ns
    (python.parent.parent / "requirements.txt").write_text("other==1.0\n")
    assert created_ns(python_of("peer", [])) > first_ns


def test_a_failed_installation_is_reported_and_tried_again(tmp_path):
    for _ in range(2):
        with pytest.raises(RuntimeError, match="nothing-here"):
            python_of("peer", [str(tmp_path / "nothing-here")])

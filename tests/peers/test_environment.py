"""Environments for other projects' packages, without asking any registry: requirements may be folders."""

import subprocess
from pathlib import Path

import pytest

from tests.peers import environment
from tests.peers.environment import python_of

# Making one takes seconds, and a busy machine longer.
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(autouse=True)
def _private(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "FOLDER", tmp_path / "environments")


def birth(python: Path) -> int:
    return (python.parent.parent / "pyvenv.cfg").stat().st_mtime_ns


def test_an_environment_is_made_once_for_the_same_requirements():
    python = python_of("peer", [])
    assert subprocess.check_output([python, "-c", "import sys; print(sys.prefix)"], text=True).endswith("peer\n")
    born = birth(python)
    assert birth(python_of("peer", [])) == born
    (python.parent.parent / "requirements.txt").write_text("other==1.0\n")
    assert birth(python_of("peer", [])) > born


def test_what_cannot_be_installed_is_told_and_tried_again(tmp_path):
    for _ in range(2):
        with pytest.raises(RuntimeError, match="nothing-here"):
            python_of("peer", [str(tmp_path / "nothing-here")])

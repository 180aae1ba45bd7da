"""Each way to install hookbus brings the package `hookbus`, and no other importable name."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.installed import environment, run
from tests.programs import ROOT

FOLDERS = ("hookbus", "ingest", "worker", "shared")
FILES = ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "Makefile", "requirements.lock")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
INSTALL = ("install", "-q", "--no-deps", "--no-build-isolation")
IMPORTABLE = (
    "import importlib.util, hookbus; from hookbus import App; from hookbus.events import Event;"
    "print(hookbus.__file__, *(name for name in ('ingest', 'worker', 'shared') if importlib.util.find_spec(name)))"
)

pytestmark = pytest.mark.needs("git")


@pytest.fixture
def repository(tmp_path):
    """A Git repository with the files that a wheel is built from."""
    folder = tmp_path / "repository"
    folder.mkdir()
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    run("git", "init", "-q", cwd=folder)
    run("git", "add", ".", cwd=folder)
    run("git", "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "all", cwd=folder)
    return folder


def importable(path: Path, cwd: Path) -> list[str]:
    """The file of `hookbus`, and those of the folders' names that can be imported beside it."""
    return run(sys.executable, "-c", IMPORTABLE, cwd=cwd, PYTHONPATH=str(path)).split()


def test_an_install_from_git_brings_hookbus_alone(repository, tmp_path):
    target = tmp_path / "target"
    run(*PIP, *INSTALL, "--target", target, f"git+file://{repository}")
    assert importable(target, tmp_path) == [str(target / "hookbus/__init__.py")]
    assert sorted(path.name for path in target.iterdir() if not path.name.endswith(".dist-info")) == ["bin", "hookbus"]


def test_an_editable_install_brings_hookbus_alone(repository, tmp_path):
    python = environment(tmp_path / "environment")
    run(*PIP, "--python", python, *INSTALL, "--editable", repository)
    assert run(python, "-c", IMPORTABLE, cwd=tmp_path).split() == [str(repository / "hookbus/__init__.py")]
    assert run(python.with_name("hookbus-worker"), "--version", cwd=tmp_path).startswith("hookbus ")


def test_a_checkout_without_symbolic_links_fails_with_one_line_that_names_the_cause(repository, tmp_path):
    checkout = tmp_path / "checkout"
    run("git", "-c", "core.symlinks=false", "clone", "-q", repository, checkout, cwd=tmp_path)
    start = (sys.executable, "-c", "from hookbus._start import worker; worker()")
    for command, code in (start, 78), (("make", "-s", ".venv/ready"), 2):
        environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(checkout)}
        done = subprocess.run(command, cwd=checkout, env=environ, capture_output=True, text=True, check=False)
        errors = [line for line in done.stderr.splitlines() if not line.startswith("make")]
        assert (done.returncode, len(errors)) == (code, 1), done.stderr
        assert "this checkout has no symbolic links (git config core.symlinks true" in errors[0]
    assert not (checkout / ".venv").exists()

"""The wheel in a clean environment, beside a package of a user's own: what `make dist` and the image promise.

Made once for the whole run, by the real commands, since it takes ten seconds.
"""

import fcntl
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.programs import BIN, ROOT

USERS_PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "shop"
version = "1"
dependencies = ["hookbus"]
"""

USERS_HANDLERS = """
from hookbus.events import ResponseCompleted
from hookbus import App, Delivery

billing = App("billing")

@billing.on("response.completed")
async def record(event: ResponseCompleted, delivery: Delivery) -> None:
    print(f"handled {delivery.webhook_id} {event.data.id}", flush=True)
"""


@dataclass(frozen=True)
class Installed:
    """Where things are."""

    dist: Path
    """Folder of wheel and sdist."""
    venv: Path

    @property
    def wheel(self) -> Path:
        """The wheel of hookbus."""
        [found] = self.dist.glob("*.whl")
        return found

    def script(self, name: str) -> str:
        """Full path of a console script."""
        return str(self.venv / "bin" / name)


def run(*command: str | Path, cwd: Path = ROOT, **environ: str) -> str:
    """Run a command that must succeed; its output."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    told = [str(word) for word in command]
    done = subprocess.run(told, cwd=cwd, env=clean | environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def environment(home: Path) -> Path:
    """An environment with the libraries of the tests and without hookbus; its interpreter."""
    run(sys.executable, "-m", "venv", "--without-pip", home)
    [site] = home.glob("lib/python*/site-packages")
    # As a folder: the .pth files in it are not read, so the editable hookbus of the tests is not there.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return home / "bin/python"


def _make(home: Path) -> None:
    run("make", "dist", f"DIST={home / 'dist'}")
    made = Installed(home / "dist", home / "venv")
    run(ROOT / "deploy/container/install.sh", made.venv, made.wheel, PYTHON=sys.executable)
    package = home / "project" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "handlers.py").write_text(USERS_HANDLERS)
    (package.parent / "pyproject.toml").write_text(USERS_PROJECT)
    run(BIN / "hatchling", "build", "-t", "wheel", "-d", home / "users", cwd=package.parent)
    [wheel] = (home / "users").glob("*.whl")
    pip = (sys.executable, "-m", "pip", "--python", made.venv / "bin/python", "--disable-pip-version-check")
    run(*pip, "install", "-q", "--no-index", wheel)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The environment; shared by the processes of pytest-xdist."""
    home = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        home = home.parent
    home /= "installed"
    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "ready").exists():
            _make(home)
            (home / "ready").touch()
    return Installed(home / "dist", home / "venv")

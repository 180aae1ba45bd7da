"""The wheel in a clean environment, beside a package of a user, as `make dist` and the image build it.

Built once per run, by the real commands, since it takes ten seconds.
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
from hookbus import App, Delivery
from hookbus.events import ResponseCompleted

billing = App("billing")

@billing.on("response.completed")
async def record(event: ResponseCompleted, delivery: Delivery) -> None:
    print(f"handled {delivery.webhook_id} {event.data.id}\\n", end="", flush=True)
"""


@dataclass(frozen=True)
class Installed:
    """Paths of the distributions and of the environment."""

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
    arguments = [str(part) for part in command]
    done = subprocess.run(arguments, cwd=cwd, env=clean | environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def environment(folder: Path) -> Path:
    """An environment with the libraries of the tests and without hookbus; its interpreter."""
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    [site] = folder.glob("lib/python*/site-packages")
    # Added as a folder: its .pth files are not read, so the editable hookbus of the tests cannot be imported.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin/python"


def _make(folder: Path) -> None:
    run("make", "dist", f"DIST={folder / 'dist'}")
    result = Installed(folder / "dist", folder / "venv")
    run(ROOT / "deploy/container/install.sh", result.venv, result.wheel, PYTHON=sys.executable)
    package = folder / "project" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "handlers.py").write_text(USERS_HANDLERS)
    (package.parent / "pyproject.toml").write_text(USERS_PROJECT)
    run(BIN / "hatchling", "build", "-t", "wheel", "-d", folder / "users", cwd=package.parent)
    [wheel] = (folder / "users").glob("*.whl")
    pip = (sys.executable, "-m", "pip", "--python", result.venv / "bin/python", "--disable-pip-version-check")
    run(*pip, "install", "-q", "--no-index", wheel)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The environment; shared by the processes of pytest-xdist."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder /= "installed"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            _make(folder)
            (folder / "ready").touch()
    return Installed(folder / "dist", folder / "venv")

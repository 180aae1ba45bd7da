"""Other projects' packages, each in a Python environment of its own, apart from ours and from one another's.

An environment is created once, under `.bench/`, and reused as long as its requirements stay the same. Its
`resolved.txt` lists all resolved packages, for the record.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.programs import ROOT

FOLDER: Final = ROOT / ".bench"
INSTALL_LIMIT_S: Final = 600.0
"""For one environment, over a slow network."""

PINNED: Final[dict[str, tuple[str, ...]]] = {
    "arq": ("arq==0.28.0", "redis[hiredis]==5.3.1", "uvloop==0.22.1"),
    "celery": ("celery==5.7.0", "kombu==5.7.0", "redis[hiredis]==6.4.0", "packaging"),
    "docket": ("pydocket==0.27.0", "redis[hiredis]==7.4.1", "uvloop==0.22.1"),
    "dramatiq": ("dramatiq==2.2.1", "redis[hiredis]==7.4.1"),
    "fastapi": (
        "fastapi==0.165.0",
        "uvicorn==0.54.0",
        "httptools==0.9.0",
        "standardwebhooks==1.1.0",
        "redis[hiredis]==8.1.0",
        "uvloop==0.23.0",
    ),
    "faststream": ("faststream[redis,cli]==0.7.8", "redis[hiredis]==7.4.1", "uvloop==0.22.1"),
    "saq": ("saq==0.26.4", "typing-extensions", "redis[hiredis]==7.4.1", "uvloop==0.22.1"),
    "streaq": ("streaq==7.2.0", "uvloop==0.22.1"),
    "taskiq": ("taskiq==0.13.0", "taskiq-redis==1.2.4", "redis[hiredis]==8.1.0", "uvloop==0.22.1"),
}
"""The projects that hookbus is compared with, and the releases of its figures: the newest of their day."""


def python_of(name: str, requirements: Sequence[str]) -> Path:
    """The interpreter of the environment `name` with these requirements; created again if they have changed.

    Raises RuntimeError with the end of pip's output if that fails.
    """
    folder = FOLDER / name
    python = folder / "bin" / "python"
    stamp = folder / "requirements.txt"
    content = "\n".join([f"# Python {sys.version.split()[0]}", *sorted(requirements), ""])
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # for two runs at once
        if not stamp.exists() or stamp.read_text() != content or not python.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
            pip = (sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check")
            if requirements:
                _run(*pip, "install", "-q", "--prefer-binary", *requirements)
            (folder / "resolved.txt").write_text(_run(*pip, "freeze"))
            stamp.write_text(content)  # last: an incomplete environment has no stamp
    return python


def _run(*command: str) -> str:
    """Run a command. Returns its output. Python's variables are removed, since they belong to our environment."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout

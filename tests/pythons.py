"""`make test-pythons`: the tests that depend on Python, on each installed version of the package's classifiers.

python -m tests.pythons [3.12 ...]

Each gets an environment of its own under .bench/pythons, from the same lock as `.venv`. A version that is not installed
is a line in the table, and a failure if it was given by name.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.programs import ROOT

UNIT: Final = ("--unit", "tests/shared", "tests/ingest", "tests/worker")
WHOLE: Final = ("tests/end_to_end/test_main_path.py",)
LOCK: Final = ROOT / "requirements-dev.lock"


def named() -> list[str]:
    """The versions of the package's classifiers."""
    return re.findall(r"Programming Language :: Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())


def find(version: str) -> Path | None:
    """Its interpreter, on PATH or in pyenv: a shim of pyenv on PATH need not work."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [*map(Path, filter(None, [shutil.which(f"python{version}")])), *pyenv.glob(f"{version}.*/bin/python3")]
    print_version = ("-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])")
    for candidate in candidates:
        done = subprocess.run([candidate, *print_version], capture_output=True, text=True, check=False)
        if done.stdout.strip() == version:
            return candidate
    return None


def environment(version: str, interpreter: Path) -> Path:
    """The Python of an environment with the lock and this checkout. Raises CalledProcessError."""
    folder = ROOT / ".bench/pythons" / version
    python, ready = folder / "bin/python", folder / "ready"
    if ready.exists() and ready.read_bytes() == LOCK.read_bytes():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([interpreter, "-m", "venv", folder], check=True)
    pip = (python, "-m", "pip", "--disable-pip-version-check", "-qq", "install")
    subprocess.run([*pip, "--require-hashes", "--only-binary=:all:", "-r", LOCK], check=True)
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--editable", ROOT], check=True)
    shutil.copy(LOCK, ready)
    return python


def tested(version: str, interpreter: Path) -> int:
    """The exit code of pytest: the tests without processes, then the main path."""
    python = environment(version, interpreter)
    code = 0
    for suite in (UNIT, WHOLE):
        command = [python, "-m", "pytest", "-q", "-n", os.environ.get("JOBS", "2"), *suite]
        code = code or subprocess.run(command, cwd=ROOT, check=False).returncode
    return code


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 if all tests passed and all given versions are installed."""
    lines, is_good = [], True
    for version in arguments or named():
        interpreter = find(version)
        if interpreter is None:
            is_good = is_good and not arguments
            lines.append(f"Python {version:6} not here")
            continue
        print(f"\n== Python {version}, {interpreter}", flush=True)
        began_at = time.monotonic()
        code = tested(version, interpreter)
        is_good = is_good and code == 0
        outcome = "ok" if code == 0 else f"failed ({code})"
        lines.append(f"Python {version:6} {outcome}, {time.monotonic() - began_at:.0f} s")
    print("\n" + "\n".join(lines), flush=True)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

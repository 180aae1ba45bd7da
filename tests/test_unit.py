"""`make unit` runs most tests, and none that starts a server or a process."""

import os
import subprocess
import sys

import pytest

from tests.programs import ROOT

STARTING = {
    "a process": "import subprocess as sp, sys\ndef test_it(): sp.run([sys.executable, '-c', ''])",
    "a process of the loop": (
        "import asyncio, sys\nasync def test_it(): await asyncio.create_subprocess_exec(sys.executable, '-c', '')"
    ),
    "a fork": "import os\ndef test_it(): os._exit(0) if os.fork() == 0 else None",
}
NAMED = {
    "a server": "def test_it(redis_url): pass",
    "a program": "from tests.programs import Program\ndef test_it(): pass",
}


def unit(*options) -> subprocess.CompletedProcess[str]:
    """Runs pytest as `make unit` does."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    command = [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "--unit"]
    return subprocess.run([*command, *options], cwd=ROOT, env=clean, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("source", STARTING.values(), ids=STARTING)
def test_a_test_that_starts_a_process_undetected_fails(source, tmp_path):
    (tmp_path / "test_it.py").write_text(source)
    done = unit("-p", "tests.conftest", tmp_path)
    assert done.returncode == 1, done.stdout
    assert "a process, in make unit" in done.stdout


@pytest.mark.parametrize("source", NAMED.values(), ids=NAMED)
def test_a_test_that_declares_a_process_is_left_out(source, tmp_path):
    (tmp_path / "test_it.py").write_text(source)
    done = unit("-p", "tests.conftest", tmp_path)
    assert "1 deselected" in done.stdout


def test_pure_modules_are_selected_completely():
    done = unit("--collect-only", "-q", "tests/worker/pipeline/test_outcome.py", "tests/shared/test_backoff.py")
    assert done.returncode == 0, done.stdout
    assert "deselected" not in done.stdout

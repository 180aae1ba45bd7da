"""How `hookbus._start` prepares a process, as a console script and as `python -m`, before it imports any library."""

import json
import os
import subprocess
import sys

import pytest

from hookbus.shared.release import VERSION
from tests.programs import BIN

# Imported first; reports at exit how the process was prepared.
WITNESS = """
import atexit, json, os

def report():
    from prometheus_client import values
    paths = [f"/dev/fd/{fd}" for fd in range(3)]
    streams = [os.path.exists(path) and os.path.samefile(path, os.devnull) for path in paths]
    with open(os.environ["WITNESS"], "w") as file:
        json.dump({"streams": streams, "value": values.ValueClass.__name__}, file)

atexit.register(report)
"""


def commands(program: str) -> dict[str, list[str]]:
    return {
        "script": [str(BIN / f"hookbus-{program}")],
        "module": [sys.executable, "-m", f"hookbus.{program}"],
    }


@pytest.mark.parametrize("way", ["script", "module"])
@pytest.mark.parametrize("program", ["ingest", "worker"])
def test_script_and_module_open_closed_streams_and_keep_metrics_in_memory(program, way, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WITNESS)
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(tmp_path),
        "WITNESS": str(tmp_path / "report"),
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
    }
    closing = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    done = subprocess.run([*closing, *commands(program)[way], "--version"], env=environ, cwd=tmp_path, check=False)
    assert done.returncode == 0
    report = json.loads((tmp_path / "report").read_text())
    assert report == {"streams": [True, True, True], "value": "MutexValue"}


@pytest.mark.parametrize("program", ["ingest", "worker"])
def test_script_and_module_are_the_same_program(program, tmp_path):
    outputs = []
    for command in commands(program).values():
        for option, code in ("--version", 0), ("--help", 0), ("no-such-command", 2):
            done = subprocess.run([*command, option], cwd=tmp_path, capture_output=True, text=True, check=False)
            assert done.returncode == code, done.stderr
            outputs.append(done.stdout + done.stderr)
    assert outputs[:3] == outputs[3:]
    assert outputs[0] == f"hookbus {VERSION}\n"

"""A fork behaves as a fresh interpreter does."""

import subprocess
import sys

import pytest

from tests import forked

SCRIPT = """
import os, signal, sys
given = sys.stdin.read()
assert not [name for name in sys.modules if name.partition(".")[0] in ("hookbus", "tests")]
print(os.getcwd(), sys.argv[1:], sys.path[0], os.environ["OWN"], "PATH" in os.environ, given, sys.stdout.isatty())
print("to stderr", file=sys.stderr)
if given == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit(int(given))
"""


@pytest.mark.parametrize("given", [b"0", b"3", b"killed", b"no number"])
def test_it_ends_as_a_fresh_interpreter_does(tmp_path, given):
    (tmp_path / "script").write_text(SCRIPT)
    (tmp_path / "folder").mkdir()
    command, env = [str(tmp_path / "script"), "one", "two"], {"OWN": "1"}
    found = forked.run(command, cwd=tmp_path / "folder", env=env, stdin=given, timeout_s=60)
    fresh = subprocess.run(
        [sys.executable, *command], cwd=tmp_path / "folder", env=env, input=given, capture_output=True, check=False
    )
    assert (found.returncode, found.stdout) == (fresh.returncode, fresh.stdout)
    assert found.stderr.splitlines()[-1:] == fresh.stderr.splitlines()[-1:]


def test_one_that_takes_too_long_is_killed(tmp_path):
    (tmp_path / "script").write_text("import time\ntime.sleep(600)\n")
    with pytest.raises(TimeoutError):
        forked.run([str(tmp_path / "script")], cwd=tmp_path, env={}, stdin=b"", timeout_s=0.5)


def test_what_only_a_fresh_interpreter_follows_is_left_to_one():
    assert forked.can_run({"HOOKBUS_LOG_LEVEL": "debug"})
    assert not forked.can_run({"PYTHONUNBUFFERED": "1"})
    assert not forked.can_run({"TZ": "Asia/Tokyo"})

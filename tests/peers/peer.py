"""What the file of a peer says of it, and the clerk that speaks for it: a process in the peer's own environment.

    python -m tests.peers.arq       the clerk: first a line that tells what it is, then an answer for each line it gets

Both sides speak JSON, a line each. Needs the standard library alone.
"""

import asyncio
import json
import os
import platform
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

URL: Final = "PEER_REDIS_URL"
"""Names the Redis to workers and clerk."""
LEASE_S: Final = 10
"""Of each lease, visibility or idle limit that a peer has apart from the time limit of a handler: hookbus's own TTL."""
TIMEOUT_S: Final = 70
"""Time limit of a handler, where there is one: more than the longest takes."""
CONCURRENCY: Final = 25
"""Of one process: innocents and killers run together."""
ATTEMPTS: Final = 3
RETRY_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Peer:
    """`worker` are the arguments of Python that start one. `send` hands a job in, `spoil` one that can't be decoded.

    `dead` asks the peer's own record of failures, which it calls `record`, for those of some names. `lease_s` is after
    how long it gives up on a worker that is dead.
    """

    name: str
    packages: tuple[str, ...]
    settings: str
    record: str
    lease_s: float
    worker: tuple[str, ...]
    send: Callable[[str, str], Awaitable[object]]
    spoil: Callable[[str], Awaitable[object]]
    dead: Callable[[list[str]], Awaitable[set[str]]]


def url() -> str:
    """Where its Redis is."""
    return os.environ[URL]


def garbage(name: str) -> bytes:
    """What takes the place of a job, or of its arguments: bytes that no decoder likes, with a name to find them by."""
    return b"\xff\xfe\x00 " + name.encode()


async def serve(peer: Peer) -> None:
    """Speak for a peer until the input ends."""
    versions = {package: version(package) for package in peer.packages} | {"Python": platform.python_version()}
    about = {field: getattr(peer, field) for field in ("name", "settings", "record", "lease_s", "worker")}
    _say(about | {"versions": versions})
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked = json.loads(line)
        for name, word in asked.get("send", {}).items():
            await (peer.send(name, word) if word else peer.spoil(name))
        _say(sorted(await peer.dead(asked["dead"])) if "dead" in asked else True)


def _say(answer: object) -> None:
    print(json.dumps(answer), flush=True)

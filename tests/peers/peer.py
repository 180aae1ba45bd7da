"""The description of a peer, and its clerk: a process in the peer's own environment that uses its client.

    python -m tests.peers.arq       the clerk: first a line that describes the peer, then a reply for each request

Requests and replies are JSON, a line each. Needs the standard library alone.
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
"""The variable with the URL of Redis, for workers and clerk."""
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
    """`worker` are the arguments of Python that start one. `send` stores a job, `spoil` an undecodable one.

    `dead` returns those of some names that are in the peer's own record of failures, whose name is `record`. `lease_s`
    is how long the peer waits for a silent worker.
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
    """The URL of its Redis."""
    return os.environ[URL]


def garbage(name: str) -> bytes:
    """Bytes in place of a job or its arguments: no decoder accepts them, and the name can be found in them."""
    return b"\xff\xfe\x00 " + name.encode()


async def serve(peer: Peer) -> None:
    """Serve requests for a peer until the input ends."""
    versions = {package: version(package) for package in peer.packages} | {"Python": platform.python_version()}
    about = {field: getattr(peer, field) for field in ("name", "settings", "record", "lease_s", "worker")}
    _reply(about | {"versions": versions})
    while line := await asyncio.to_thread(sys.stdin.readline):
        request = json.loads(line)
        for name, word in request.get("send", {}).items():
            await (peer.send(name, word) if word else peer.spoil(name))
        _reply(sorted(await peer.dead(request["dead"])) if "dead" in request else True)


def _reply(reply: object) -> None:
    print(json.dumps(reply), flush=True)

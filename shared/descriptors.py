"""File descriptors: a connection costs one, and who runs out of them can accept nobody and reach no Redis."""

import contextlib
import resource
from typing import Final

RESERVED: Final = 150
"""For Redis (ingest: one a shard, at most 64), the second port (50), the ports themselves, the log, the event loop; in
a worker also for what handlers open."""


def room_for(connections: int) -> int:
    """How many of so many connections the process may have; raises the soft limit as far as it must and can."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + RESERVED
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS has a limit below the one that it names
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, soft - RESERVED))

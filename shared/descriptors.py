"""File descriptors: each connection costs one, and a process without any left can neither accept nor reach Redis."""

import contextlib
import resource
from typing import Final

RESERVED: Final = 150
"""Descriptors for Redis (ingest: one a shard, at most 64), the second port (50), the ports themselves, the log, the
event loop; in a worker also those that handlers open."""


def room_for(connections: int) -> int:
    """How many of `connections` the process may open. Raises the soft limit as far as needed and allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + RESERVED
    if soft != resource.RLIM_INFINITY and soft < needed:
        allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS has a limit below the one that it names
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, soft - RESERVED))

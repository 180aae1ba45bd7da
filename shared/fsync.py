"""Whether writes are on Redis' disk: as the server reports it, and by its settings if it has no WAITAOF.

WAITAOF (Valkey, Redis 7.2 and newer: https://valkey.io/commands/waitaof/) covers the writes of the same connection, so
a write must come first. Settings alone mislead in two states: while `no-appendfsync-on-rewrite` suspends fsync, and
from `CONFIG SET appendonly yes` until the first rewrite ends, when a crash loses everything.
"""

from collections.abc import Mapping
from typing import Final

from redis.exceptions import NoPermissionError, ResponseError

from .connection import Execute
from .fault import Fault

WAIT_MS: Final = 1000
"""Longest time that a write may take to reach the disk: a hundred times that of a busy disk. 0 would wait for ever."""

UNOBSERVED: Final = "this Redis has no WAITAOF (Redis 7.2 and newer and Valkey have it), or the user may not call it"

NOT_ON_DISK: Final = Fault(
    "not_durable",
    f"the last write is not on Redis' disk after {WAIT_MS} ms (WAITAOF)",
    "after CONFIG SET appendonly yes wait until the rewrite of its file ends; else check Redis' disk and log",
)
FIRST_REWRITE: Final = Fault(
    "not_durable",
    "Redis is writing its append-only file for the first time; if it stops before that is done, everything is lost",
    "wait until aof_rewrite_in_progress of INFO is 0; check Redis' log if it stays 1 or returns to 1",
)


async def is_on_disk(execute: Execute) -> bool | None:
    """Whether the writes of this connection are on the server's own disk; None if the server or the ACL has no WAITAOF.

    Raises RedisError, OSError.
    """
    try:
        local, _ = await execute("WAITAOF", 1, 0, WAIT_MS)
    except NoPermissionError:
        return None
    except ResponseError as error:
        if str(error).lower().startswith("unknown command"):
            return None
        if "appendonly is disabled" in str(error):
            return False
        raise
    return bool(local)


class Fsync:
    """The state of the append-only file, from one inspection of a server to the next."""

    def __init__(self) -> None:
        self.is_observed = True
        """False if only the settings are known, since the server has no WAITAOF for us."""
        self._is_complete: bool | None = None
        """Whether the append-only file holds all data; None while unknown."""

    def observe(self, info: Mapping[str, str]) -> None:
        """Record the INFO of an inspection, whatever its result."""
        if info.get("aof_enabled") != "1":
            self._is_complete = False
        elif not _is_rewriting(info):
            self._is_complete = True

    async def fault(self, execute: Execute, info: Mapping[str, str]) -> Fault | None:
        """The fault that keeps writes from the disk, None for none. Call it after a write on that connection.

        Raises RedisError, OSError.
        """
        on_disk = await is_on_disk(execute)
        self.is_observed = on_disk is not None
        if on_disk is None:
            return FIRST_REWRITE if _is_rewriting(info) and not self._was_complete(info) else None
        return None if on_disk else NOT_ON_DISK

    def _was_complete(self, info: Mapping[str, str]) -> bool:
        """Whether a rewrite in progress is not the first. On the first inspection, a new server seems to be in it."""
        if self._is_complete is not None:
            return self._is_complete
        return info.get("aof_base_size", "0") != "0" or info.get("aof_last_rewrite_time_sec", "-1") != "-1"


def _is_rewriting(info: Mapping[str, str]) -> bool:
    signs = (info.get("aof_rewrite_in_progress"), info.get("aof_rewrite_scheduled"))
    return "1" in signs or info.get("aof_last_bgrewrite_status", "ok") != "ok"

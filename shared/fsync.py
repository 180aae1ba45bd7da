"""Whether what was written is on Redis' disk: as the server observed it, and by its settings where it can't tell.

WAITAOF (Valkey, Redis 7.2 and newer: https://valkey.io/commands/waitaof/) answers for what was written on the same
connection, so a write must come first. Settings alone lie in two states: while `no-appendfsync-on-rewrite` suspends
fsync, and from `CONFIG SET appendonly yes` until the first rewrite ends, when a crash loses everything.
"""

from collections.abc import Mapping
from typing import Final

from redis.exceptions import NoPermissionError, ResponseError

from .connection import Execute
from .fault import Fault

WAIT_MS: Final = 1000
"""How long a write may take to the disk: a hundred times what a busy one takes. 0 would wait for ever."""

UNOBSERVED: Final = "this Redis has no WAITAOF (7.2 and newer have, and Valkey), or its user may not call it"

NOT_ON_DISK: Final = Fault(
    "not_durable",
    f"what was just written is not on Redis' disk after {WAIT_MS} ms (WAITAOF)",
    "after CONFIG SET appendonly yes wait until the rewrite of its file ends; else look at Redis' disk and log",
)
FIRST_REWRITE: Final = Fault(
    "not_durable",
    "Redis writes its append-only file for the first time, and loses everything if it ends before that is done",
    "wait until aof_rewrite_in_progress of INFO is 0; look at Redis' log if it stays 1 or comes again",
)


async def is_on_disk(execute: Execute) -> bool | None:
    """Whether what this connection wrote is on the server's own disk; None where server or ACL have no WAITAOF.

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
    """What is known of one server after another, look by look."""

    def __init__(self) -> None:
        self.is_observed = True
        """False where only settings tell."""
        self._is_whole: bool | None = None
        """The append-only file has everything; None as long as nobody knows."""

    def see(self, info: Mapping[str, str]) -> None:
        """What a look saw, whatever comes of it."""
        if info.get("aof_enabled") != "1":
            self._is_whole = False
        elif not _is_rewriting(info):
            self._is_whole = True

    async def fault(self, execute: Execute, info: Mapping[str, str]) -> Fault | None:
        """What keeps a write from the disk, asked after one on that connection. Raises RedisError, OSError."""
        on_disk = await is_on_disk(execute)
        self.is_observed = on_disk is not None
        if on_disk is None:
            return FIRST_REWRITE if _is_rewriting(info) and not self._was_whole(info) else None
        return None if on_disk else NOT_ON_DISK

    def _was_whole(self, info: Mapping[str, str]) -> bool:
        """Whether a rewrite that is under way is not the first; a server that was always new looks like one."""
        if self._is_whole is not None:
            return self._is_whole
        return info.get("aof_base_size", "0") != "0" or info.get("aof_last_rewrite_time_sec", "-1") != "-1"


def _is_rewriting(info: Mapping[str, str]) -> bool:
    signs = (info.get("aof_rewrite_in_progress"), info.get("aof_rewrite_scheduled"))
    return "1" in signs or info.get("aof_last_bgrewrite_status", "ok") != "ok"

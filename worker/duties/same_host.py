"""Detects that a consumer on the same machine has ended, so that no one waits for its liveness key to expire.

Each worker holds a lock on a file with its name, in memory that belongs to this machine alone. The kernel releases the
lock when the process ends, however it ends, and no sooner. So a file without a lock proves the end: it was created on
this machine. Boot ids, pid namespaces and process ids prove nothing, as clones of a virtual machine have the same ones.
Without a file, as between containers or on systems without such memory, the TTL of the liveness key decides.
"""

import contextlib
import fcntl
import os
import stat
import time
from pathlib import Path
from typing import Final

from ...shared.keys import is_name

FOLDER: Final = Path("/dev/shm")  # noqa: S108 - files there are created exclusively, and trusted only if this user or root owns them
"""In-memory file system of Linux; each container has its own."""
_PREFIX: Final = "hookbus-"
STALE_S: Final = 3600.0
"""After the last touch, the next worker to start removes a file without a lock: the TTL has expired long before."""


class Presence:
    """The lock of this process, held until `leave` or the end of the process. No effect if it cannot be acquired."""

    def __init__(self, consumer: str) -> None:
        self._path = FOLDER / f"{_PREFIX}{consumer}"
        self._file: int | None = None
        _sweep()
        with contextlib.suppress(OSError):
            self._file = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW, 0o644)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def touch(self) -> None:
        """Mark the file as in use."""
        if self._file is not None:
            os.utime(self._file)

    def leave(self) -> None:
        """Remove the file first, then the lock: a file without a lock means that the process died."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None


def has_ended(consumer: str) -> bool:
    """Whether a consumer's process has certainly ended on this machine; False if that cannot be determined here."""
    if not is_name(consumer):
        return False
    try:
        return _is_free(FOLDER / f"{_PREFIX}{consumer}")
    except OSError:
        return False  # no such file, or one that another user made unreadable


def _is_free(path: Path) -> bool:
    """Whether no process holds the lock of a file that this user or root owns. Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_uid not in (0, os.geteuid()):
            return False
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True


def _sweep() -> None:
    for path in FOLDER.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_S and _is_free(path):
                path.unlink()

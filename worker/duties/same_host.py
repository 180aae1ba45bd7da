"""Whether a consumer on this very machine has ended: then nobody need wait for its liveness key to run out.

Each worker holds a lock on a file that bears its name, in memory that is this machine's alone. The kernel frees the
lock when the process ends, however it ends, and no sooner. A file without a lock is therefore proof: it was made here.
Boot ids, pid namespaces and process ids prove nothing, as clones of a virtual machine show the same ones. Without a
file, as between containers or where a system has no such memory, the TTL of the liveness key decides.
"""

import contextlib
import fcntl
import os
import stat
import time
from pathlib import Path
from typing import Final

from ...shared.keys import is_name

FOLDER: Final = Path("/dev/shm")  # noqa: S108 - files there are made exclusively, and trusted when ours
"""A file system in memory that Linux has; a container has one of its own."""
_PREFIX: Final = "hookbus-"
STALE_S: Final = 3600.0
"""After the last touch, a file without a lock is removed by whoever starts: by then the TTL has told all."""


class Presence:
    """The lock of this process, held until `leave` or its end. Does without where it can't be had."""

    def __init__(self, consumer: str) -> None:
        self._path = FOLDER / f"{_PREFIX}{consumer}"
        self._file: int | None = None
        _sweep()
        with contextlib.suppress(OSError):
            self._file = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW, 0o644)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def touch(self) -> None:
        """Say that the file is of use still."""
        if self._file is not None:
            os.utime(self._file)

    def leave(self) -> None:
        """Remove the file, and then the lock: a file without a lock would say that the process ended unasked."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None


def has_ended(consumer: str) -> bool:
    """Whether a consumer's process surely ended on this machine; False when it can't be known from here."""
    if not is_name(consumer):
        return False
    try:
        return _is_free(FOLDER / f"{_PREFIX}{consumer}")
    except OSError:
        return False  # no such file, or one that another user keeps to himself


def _is_free(path: Path) -> bool:
    """Whether nobody holds the lock of a file that is ours or root's. Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_uid not in (0, os.geteuid()):
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

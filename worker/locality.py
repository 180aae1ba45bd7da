"""Whether a consumer on this very machine has ended: then nobody need wait for its liveness key to run out.

Process ids are compared only within one boot and one pid namespace, which Linux names; elsewhere, or when a new
process got the old number, the key's TTL decides as ever.
"""

import functools
import os
from pathlib import Path


@functools.cache
def process_space() -> str:
    """A name of the space in which process ids are unique: this boot, this namespace. "" where the system has none."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def has_ended(space: str, pid: int) -> bool:
    """Whether a process surely ended; False when it can't be known from here."""
    if not space or space != process_space():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # it is there, and another user's
    return False

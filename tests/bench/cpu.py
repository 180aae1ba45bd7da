"""CPU time of other processes: user and system, of all their threads, also those that have ended. Linux only."""

import time
from collections.abc import Mapping


def seconds(pid: int) -> float:
    """CPU seconds that a process has used so far, to the nanosecond.

    The clock's id is what clock_getcpuclockid(3) returns: the pid's complement, and 2 for the scheduler's own count.
    """
    return time.clock_gettime((~pid << 3) | 2)


class Used:
    """CPU time used since it was made, by name."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self._before = {name: seconds(pid) for name, pid in pids.items()}

    def so_far_us(self) -> dict[str, float]:
        """Microseconds, by name."""
        return {name: (seconds(pid) - self._before[name]) * 1e6 for name, pid in self._pids.items()}

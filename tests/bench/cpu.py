"""CPU time of other processes: user and system time of all their threads, including ended ones. Linux only."""

import time
from collections.abc import Mapping


def seconds(pid: int) -> float:
    """CPU seconds that a process has used so far, to the nanosecond.

    The id of the clock is that of clock_getcpuclockid(3): the complement of the pid, and 2 for the scheduler's count.
    """
    return time.clock_gettime((~pid << 3) | 2)


class Used:
    """CPU time used since the object was created, by name."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self._before = {name: seconds(pid) for name, pid in pids.items()}

    def so_far_us(self) -> dict[str, float]:
        """Microseconds, by name."""
        return {name: (seconds(pid) - self._before[name]) * 1e6 for name, pid in self._pids.items()}

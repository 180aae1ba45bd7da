"""The cost of a million events, and the number of machines for a rate, computed from measured figures. Pure.

Each step states its assumption; the README prints them with the tables.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

DAY_S: Final = 86_400
GIB: Final = 1024**3

DEDUPE_S: Final = 5 * DAY_S
"""Seconds for which an id is remembered: the window is 96 h, in one set per day, so five sets exist."""
RETENTIONS: Final[Mapping[str, int]] = {"1 hour": 3600, "1 day": DAY_S, "3 days": 3 * DAY_S}
"""`worker.retention_s`; three days is the default."""

BUSY: Final = 0.5
"""Share of a core in use: the rest is for peaks, and for the backlog after a fault."""
CORES: Final = 8
MEMORY_GIB: Final = 32
"""Cores and GiB of memory of one machine."""
MEMORY_BUSY: Final = 0.75
"""Share of the memory for data: the rest is for the fork of a snapshot and for fragmentation."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """Microseconds of CPU per event, at one rate."""

    ingest_us: float
    worker_us: float
    redis_us: float

    @property
    def seconds_per_million(self) -> float:
        """CPU-seconds of all three programs: a microsecond per event is a second per million."""
        return self.ingest_us + self.worker_us + self.redis_us


def redis_gib(rate: float, retention_s: float, stored_bytes: float, dedupe_bytes: float) -> float:
    """Memory of Redis in steady state: handled events of the retention time, ids of the dedupe window."""
    return rate * (retention_s * stored_bytes + DEDUPE_S * dedupe_bytes) / GIB


@dataclass(frozen=True, slots=True)
class Fleet:
    """Processes, shards and memory for a rate. A process uses one core, and so does a shard of Redis."""

    ingests: int
    workers: int
    shards: int
    memory_gib: float

    @property
    def machines(self) -> int:
        """Machines for the processes, plus those for the shards: by cores or by memory, whichever is more."""
        processes = math.ceil((self.ingests + self.workers) / CORES)
        by_cores = math.ceil(self.shards / CORES)
        by_memory = math.ceil(self.memory_gib / (MEMORY_GIB * MEMORY_BUSY))
        return processes + max(by_cores, by_memory)


def fleet(rate: float, cpu: Cpu, stored_bytes: float, dedupe_bytes: float, retention_s: float) -> Fleet:
    """The fleet for a rate, from the CPU per event at half capacity, where batches are large."""
    return Fleet(
        _cores(rate, cpu.ingest_us),
        _cores(rate, cpu.worker_us),
        _cores(rate, cpu.redis_us),
        redis_gib(rate, retention_s, stored_bytes, dedupe_bytes),
    )


def _cores(rate: float, us: float) -> int:
    return max(1, math.ceil(rate * us / 1e6 / BUSY))

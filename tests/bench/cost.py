"""What a million events cost, and how many machines a rate takes, computed from measured figures. Pure.

Each step has its assumption beside it; the README prints them with the tables.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

DAY_S: Final = 86_400
GIB: Final = 1024**3

DEDUPE_S: Final = 5 * DAY_S
"""How long an id is remembered: the window is 96 h, kept as one set a day, of which five are there."""
RETENTIONS: Final[Mapping[str, int]] = {"1 hour": 3600, "1 day": DAY_S, "3 days": 3 * DAY_S}
"""`worker.retention_s`; three days is the default."""

BUSY: Final = 0.5
"""Share of a core that is used: the rest is for peaks, and for catching up after a fault."""
CORES: Final = 8
MEMORY_GIB: Final = 32
"""Of one machine."""
MEMORY_BUSY: Final = 0.75
"""Share of it that data may fill: a fork for a snapshot and the allocator's waste need the rest."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """Microseconds of CPU per event, at one rate."""

    ingest_us: float
    worker_us: float
    redis_us: float

    @property
    def seconds_per_million(self) -> float:
        """CPU-seconds of all three programs: a microsecond each is a second for a million."""
        return self.ingest_us + self.worker_us + self.redis_us


def redis_gib(rate: float, retention_s: float, stored_bytes: float, dedupe_bytes: float) -> float:
    """Redis' memory once both are full: handled events for their retention, ids for their window."""
    return rate * (retention_s * stored_bytes + DEDUPE_S * dedupe_bytes) / GIB


@dataclass(frozen=True, slots=True)
class Fleet:
    """What a rate takes. A process has one core; Redis has one shard a core."""

    ingests: int
    workers: int
    shards: int
    memory_gib: float

    @property
    def machines(self) -> int:
        """For the processes, and for the shards: as many as their cores need, or their memory, whichever is more."""
        processes = math.ceil((self.ingests + self.workers) / CORES)
        by_cores = math.ceil(self.shards / CORES)
        by_memory = math.ceil(self.memory_gib / (MEMORY_GIB * MEMORY_BUSY))
        return processes + max(by_cores, by_memory)


def fleet(rate: float, cpu: Cpu, stored_bytes: float, dedupe_bytes: float, retention_s: float) -> Fleet:
    """What a rate takes by the CPU per event at half capacity, where batches are as large as they get."""
    return Fleet(
        _cores(rate, cpu.ingest_us),
        _cores(rate, cpu.worker_us),
        _cores(rate, cpu.redis_us),
        redis_gib(rate, retention_s, stored_bytes, dedupe_bytes),
    )


def _cores(rate: float, us: float) -> int:
    return max(1, math.ceil(rate * us / 1e6 / BUSY))

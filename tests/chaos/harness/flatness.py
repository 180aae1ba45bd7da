"""Memory over time: samples by the second, a figure a minute, and whether the minutes are flat."""

import statistics
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from redis.asyncio import Redis

from hookbus.shared.clock import now_ms
from hookbus.shared.connection import parse_info
from hookbus.shared.keys import Keys
from hookbus.shared.pipelined import execute_all

TOLERANCE: Final = 0.05
"""How far a minute may be from the middle of all."""
DAY_MS: Final = 86_400_000


@dataclass(slots=True)
class Minutes:
    """What is measured, by name. A minute's figure is the median of its samples: a fault lasts for seconds."""

    _samples: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    figures: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Name → bytes, one figure for each minute that was closed."""

    def add(self, samples: Mapping[str, float]) -> None:
        """One look."""
        for name, value in samples.items():
            self._samples[name].append(value)

    def close(self) -> dict[str, float]:
        """The figures of the minute that ends."""
        told = {name: statistics.median(values) for name, values in self._samples.items() if values}
        for name, value in told.items():
            self.figures[name].append(value)
        self._samples.clear()
        return told

    def spreads(self, warm_up: int) -> dict[str, float]:
        """Name → the farthest that a minute after the warm-up is from the middle of all, as a share of it."""
        found = {}
        for name, values in self.figures.items():
            judged = values[warm_up:]
            if judged:
                middle = statistics.median(judged)
                found[name] = max(abs(value - middle) for value in judged) / middle
        return found


def rss_bytes(pids: Mapping[str, int]) -> dict[str, float]:
    """Resident memory of processes, by name; those that have just ended are left out."""
    command = ["ps", "-o", "pid=,rss=", "-p", ",".join(map(str, pids.values()))]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split("\n")
    found = {int(pid): int(kib) * 1024 for pid, kib in (line.split() for line in lines if line.strip())}
    return {name: found[pid] for name, pid in pids.items() if found.get(pid)}


async def redis_bytes(client: Redis, keys: Keys) -> dict[str, float]:
    """What Redis uses, key by key and for itself, and apart from that what the dedupe's day sets take, which grow for
    as long as its window is, four days. Their exact size can't be had by subtraction: Redis knows it by samples only,
    and what an estimate misses of half a million digests would hide what else grows.
    """
    names = await client.execute_command("KEYS", "*")
    sizes = await execute_all(client, [("MEMORY", "USAGE", name) for name in names])
    taken = {name.decode(): size or 0 for name, size in zip(names, sizes, strict=True)}
    days = {keys.seen(now_ms() // DAY_MS - back) for back in (0, 1)}
    info = parse_info(await client.execute_command("INFO", "memory"))
    itself = sum(int(info[name]) for name in ("used_memory_overhead", "used_memory_vm_total", "used_memory_scripts"))
    others = sum(size for name, size in taken.items() if name not in days)
    return {"redis": float(itself + others), "dedupe": float(sum(taken.get(day, 0) for day in days))}

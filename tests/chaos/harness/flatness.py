"""Memory over time: samples by the second, a figure a minute, and the spread of the minutes."""

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
"""How far a minute may be from the median of all, as a share of it."""
DAY_MS: Final = 86_400_000


@dataclass(slots=True)
class Minutes:
    """Measurements by name. A minute's figure is the median of its samples, since a fault lasts for seconds."""

    _samples: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    figures: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Bytes by name, one figure for each closed minute."""

    def add(self, samples: Mapping[str, float]) -> None:
        """Add one sample of each name."""
        for name, value in samples.items():
            self._samples[name].append(value)

    def close(self) -> dict[str, float]:
        """End the minute. Returns its figures."""
        medians = {name: statistics.median(values) for name, values in self._samples.items() if values}
        for name, value in medians.items():
            self.figures[name].append(value)
        self._samples.clear()
        return medians

    def spreads(self, warm_up: int) -> dict[str, float]:
        """By name, how far a minute after the warm-up is from the median of all at most, as a share of it."""
        spreads = {}
        for name, values in self.figures.items():
            judged = values[warm_up:]
            if judged:
                middle = statistics.median(judged)
                spreads[name] = max(abs(value - middle) for value in judged) / middle
        return spreads


def rss_bytes(pids: Mapping[str, int]) -> dict[str, float]:
    """Resident memory of processes in bytes, by name, without those that have just ended."""
    command = ["ps", "-o", "pid=,rss=", "-p", ",".join(map(str, pids.values()))]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split("\n")
    rss = {int(pid): int(kib) * 1024 for pid, kib in (line.split() for line in lines if line.strip())}
    return {name: rss[pid] for name, pid in pids.items() if rss.get(pid)}


async def redis_bytes(client: Redis, keys: Keys) -> dict[str, float]:
    """Memory of Redis in bytes, summed over its keys and itself; separately that of the dedupe's day sets, which grow
    for the four days of its window. A subtraction from the total would not do: Redis reports the size of a set by
    samples, and the error of an estimate for half a million digests would hide other growth."""
    names = await client.execute_command("KEYS", "*")
    sizes = await execute_all(client, [("MEMORY", "USAGE", name) for name in names])
    taken = {name.decode(): size or 0 for name, size in zip(names, sizes, strict=True)}
    days = {keys.seen(now_ms() // DAY_MS - back) for back in (0, 1)}
    info = parse_info(await client.execute_command("INFO", "memory"))
    itself = sum(int(info[name]) for name in ("used_memory_overhead", "used_memory_vm_total", "used_memory_scripts"))
    others = sum(size for name, size in taken.items() if name not in days)
    return {"redis": float(itself + others), "dedupe": float(sum(taken.get(day, 0) for day in days))}

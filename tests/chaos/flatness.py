"""Memory over time: samples by the second, a figure a minute, and whether the minutes are flat."""

import statistics
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from redis.asyncio import Redis

from shared.clock import now_ms
from shared.keys import Keys

TOLERANCE: Final = 0.05
"""How far a minute may be from the middle of all."""
DAY_MS: Final = 86_400_000
SAMPLES: Final = 1000
"""Of a day set, to estimate its size: with Redis' default of 5 the estimate was 8 % too low, 3.4 bytes an event."""


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
    """What Redis uses, and of that the dedupe's day sets, which grow for as long as its window is, four days."""
    used = int(next(line for line in (await _info(client)) if line.startswith("used_memory:")).partition(":")[2])
    today = now_ms() // DAY_MS
    days = [keys.seen(day) for day in (today - 1, today)]
    sizes = [await client.execute_command("MEMORY", "USAGE", day, "SAMPLES", SAMPLES) for day in days]
    dedupe = sum(size or 0 for size in sizes)
    return {"redis": float(used - dedupe), "dedupe": float(dedupe)}


async def _info(client: Redis) -> list[str]:
    reply: bytes = await client.execute_command("INFO", "memory")
    return reply.decode().splitlines()

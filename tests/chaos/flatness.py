"""Memory over time: samples by the second, a figure a minute, and whether the minutes are flat."""

import os
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from redis.asyncio import Redis

from shared.clock import now_ms
from shared.connection import parse_info
from shared.keys import Keys

TOLERANCE: Final = 0.05
"""How far a minute may be from the middle of all."""
DAY_MS: Final = 86_400_000
DIGEST_BYTES: Final = 16
MOST_AT_ONCE: Final = 1000
"""Members of one SADD."""


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


class Twin:
    """A server with as many digests as the dedupe has, and nothing else: what they take, to some buffers.

    Redis' own estimate (MEMORY USAGE) was up to 0.4 MiB too low of half a million, and most before a table grows.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._empty_bytes: int | None = None

    async def size_bytes(self, day_sets: Mapping[str, int]) -> int:
        """What sets of so many members take."""
        if self._empty_bytes is None:
            self._empty_bytes = await _used_bytes(self._client)
        for name, wanted in day_sets.items():
            while (missing := wanted - await self._client.execute_command("SCARD", name)) > 0:
                members = [os.urandom(DIGEST_BYTES) for _ in range(min(missing, MOST_AT_ONCE))]
                await self._client.execute_command("SADD", name, *members)
        return await _used_bytes(self._client) - self._empty_bytes

    async def aclose(self) -> None:
        """Close its connection."""
        await self._client.aclose()


async def redis_bytes(client: Redis, keys: Keys, twin: Twin) -> dict[str, float]:
    """What Redis uses, and of that the dedupe's day sets, which grow for as long as its window is, four days."""
    today = now_ms() // DAY_MS
    days = {day: await client.execute_command("SCARD", day) for day in map(keys.seen, (today - 1, today))}
    used, dedupe = await _used_bytes(client), await twin.size_bytes(days)
    return {"redis": float(used - dedupe), "dedupe": float(dedupe)}


async def _used_bytes(client: Redis) -> int:
    return int(parse_info(await client.execute_command("INFO", "memory"))["used_memory"])

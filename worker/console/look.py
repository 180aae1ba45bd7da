"""What one look at the whole bus finds. All pages draw from it, so that a hundred open pages cost what one costs."""

import time
from dataclasses import dataclass

from ...shared import clock
from ...shared.connection import Redis
from ..dlq.query import DeadLetters
from ..inspect import snapshot
from ..inspect.snapshot import Bus
from .asides import Asides, Reader
from .history import TOTALS, Key
from .work import Work


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found. `at_ms` is Unix ms by this machine's clock; `began_s`, `read_s`: `time.monotonic`."""

    number: int
    bus: Bus
    beside: Asides
    at_ms: int
    began_s: float
    read_s: float
    """When Redis told its time."""
    took_s: float

    def now_ms(self) -> int:
        """Redis' time now."""
        return self.bus.now_ms + int((time.monotonic() - self.read_s) * 1000)


async def fetch(client: Redis, shards: int, number: int, work: Work) -> Look:
    """Look at the bus. Raises ConfigError, RedisError, OSError."""
    began_s, at_ms = time.monotonic(), clock.now_ms()
    bus = await snapshot.fetch(client, shards)
    read_s = time.monotonic()
    store = await DeadLetters.open(client, shards)
    beside = await Reader(client, work, store, bus).fetch()
    return Look(number, bus, beside, at_ms, began_s, read_s, time.monotonic() - began_s)


def figures(look: Look) -> dict[Key, float]:
    """What the plots show: of the whole bus, and of each group."""
    groups = look.bus.status.groups
    types = [entry for group in groups.values() for entry in group.types.values()]
    totals = {
        "stored": sum(look.bus.stored.values()),
        "backlog": sum(entry.backlog for entry in types),
        "in_flight": sum(entry.in_flight for entry in types),
        "oldest_s": max((entry.oldest_age_s or 0.0 for entry in types), default=0.0),
        "delayed": sum(group.delayed for group in groups.values()),
        "dead": sum(group.dead for group in groups.values()),
        "memory": look.bus.redis.used_memory_bytes,
    }
    found: dict[Key, float] = {(TOTALS, name): float(value) for name, value in totals.items()}
    for name, group in groups.items():
        found[name, "waiting"] = float(group.unhandled)
    return found

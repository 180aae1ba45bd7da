"""What a lone event costs Redis: its CPU while events come one at a time, without what it takes when none come."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from hookbus.shared.connection import Redis, connect
from hookbus.shared.events import BY_TYPE
from hookbus.shared.valkey import Valkey
from tests.bench import backlog, pace, requests
from tests.bench.cpu import Used
from tests.bench.pace import Pacer
from tests.bench.stage import Stage
from tests.wait import until

RATE: Final = 50.0
"""Events a second: far apart, so that each wakes its reader alone."""
TYPES: Final = ("response.completed", "batch.completed", "eval.run.succeeded")
"""The types of these events, in turn."""
MANY_TYPES: Final = (*BY_TYPE, *(f"bench.type_{number}" for number in range(500)))
"""Those that OpenAI documents, and others: its own later ones, or those of other senders."""
GROUP: Final = "bench"
DRAINED_S: Final = 120.0
"""Longest wait until all stored events are handled."""


@dataclass(frozen=True, slots=True)
class Lone:
    """A bus on which nothing else happens."""

    server: Valkey
    pacer: Pacer
    seen: Sequence[str]

    @classmethod
    async def start(cls, stage: Stage, workers: int, seen: Sequence[str] = TYPES) -> "Lone":
        """Start a bus that has handled one event of each type of `seen`, with some workers that subscribe to all."""
        server = await stage.valkey()
        await backlog.store(server, len(seen), seen)
        await stage.script(server, "tests.bench.sides.fleet", str(workers), "tests.bench.any_type:app")
        ingest = await stage.ingest(server)
        lone = cls(server, await pace.http(ingest.port).connect(1), seen)
        await lone.redis_us(1.0)  # each process has done everything once
        return lone

    async def redis_us(self, seconds: float) -> float:
        """Microseconds of Redis' CPU per event, above what an idle bus takes in the same time."""
        idle_us = await self.idle_us(seconds)
        types = itertools.islice(itertools.cycle(TYPES), max(1, int(RATE * seconds)))
        messages = [requests.request(requests.webhook_id(), requests.body(name)) for name in types]
        used = Used({"redis": self.server.pid})
        await pace.steadily([partial(self.pacer.send, message) for message in messages], RATE)
        await self.pacer.answered()
        await self._drained()
        return (used.so_far_us()["redis"] - idle_us) / len(messages)

    async def idle_us(self, seconds: float) -> float:
        """Microseconds of Redis' CPU while nothing happens for so long."""
        used = Used({"redis": self.server.pid})
        await asyncio.sleep(seconds)
        return used.so_far_us()["redis"]

    async def _drained(self) -> None:
        client = connect(self.server.url, "bench", connections=1)
        try:
            await until(partial(is_drained, client, self.seen), DRAINED_S, "nothing left to handle")
        finally:
            await client.aclose()


async def is_drained(client: Redis, types: Sequence[str]) -> bool:
    """Whether the group has handled all events of these types."""
    pipeline = client.pipeline(transaction=False)
    for name in types:
        pipeline.execute_command("XINFO", "GROUPS", backlog.KEYS.stream(name))
    groups = [dict(zip(flat[::2], flat[1::2], strict=True)) for [flat] in await pipeline.execute()]
    return all(group[b"lag"] == 0 and group[b"pending"] == 0 for group in groups)

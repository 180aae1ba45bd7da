"""The circuit of one subscription in one process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from hookbus import Breaker, Delivery
from hookbus.shared.keys import Keys
from hookbus.worker.duties.circuits import Circuits
from hookbus.worker.inventory.lag import pairs
from hookbus.worker.inventory.suspensions import KEY, decode, field
from tests.worker.builders import GROUP, KEYS, TYPE, a_route
from tests.worker.lookouts import a_lookout

FIELD = field(GROUP, TYPE)


async def handle(event: dict, delivery: Delivery) -> None: ...


class Process:
    """Its time is `now[0]`, Unix ms."""

    def __init__(
        self, client, now: list[int], shards: Sequence[Keys] = (KEYS,), *, has_breaker: bool = True, **options
    ) -> None:
        breaker = Breaker(**{"failures": 3, "delay": 10, "cap": 40} | options) if has_breaker else None
        route = a_route(handle, breaker=breaker)
        self._client = client
        self._now = now
        self.stopping = asyncio.Event()
        self.lookout = a_lookout(client, self.stopping)
        self.circuits = Circuits(client, self.lookout, shards, [route])
        self.circuit = self.circuits.by_route[route]
        self.circuit_gate = self.circuit.circuit_gate
        self.observe = self.circuit.observe

    @contextlib.asynccontextmanager
    async def running(self, *, looks: bool = True) -> AsyncIterator[None]:
        """Its circuits run by the real time; without `looks` no look comes after the last one."""
        duties = [self.circuits, self.lookout] if looks else [self.circuits]
        tasks = [asyncio.create_task(duty.run()) for duty in duties]
        await asyncio.sleep(0)
        yield
        self.stopping.set()
        self.lookout.hurry()
        await self.lookout.look()
        await asyncio.gather(*tasks)

    async def apply(self) -> None:
        await self.circuits.apply(pairs(await self._client.execute_command("HGETALL", KEY)), self._now[0])


async def stored(client) -> Any:
    return decode(await client.execute_command("HGET", KEY, FIELD))

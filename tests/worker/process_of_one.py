"""The circuit of one subscription in one process."""

import asyncio
from collections.abc import Sequence
from typing import Any

from hookbus import Breaker, Delivery
from hookbus.shared.keys import Keys
from hookbus.worker.duties.circuits import Circuits
from hookbus.worker.inventory.lag import pairs
from hookbus.worker.inventory.suspensions import KEY, decode, field
from tests.worker.builders import GROUP, KEYS, TYPE, a_route

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
        self.circuits = Circuits(client, shards, [route], asyncio.Event())
        self.circuit = self.circuits.by_route[route]
        self.circuit_gate = self.circuit.circuit_gate
        self.observe = self.circuit.observe

    async def apply(self) -> None:
        await self.circuits.apply(pairs(await self._client.execute_command("HGETALL", KEY)), self._now[0])


async def stored(client) -> Any:
    return decode(await client.execute_command("HGET", KEY, FIELD))

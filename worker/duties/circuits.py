"""Stores what suspends subscriptions, and applies it, in every worker process.

Runs once a second, and at once when an attempt asks for something; costs one TIME and one HGETALL for all subscriptions
of the process. Each change is one compare-and-set, so that of all workers one opens, one probes, one closes. While
Redis is unreachable, the last state holds.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ...shared import log, scripts
from ...shared.connection import FAULTS, Redis
from ...shared.keys import Keys
from ...shared.pause import pause
from ...shared.pipelined import execute_all
from ..inventory import pauses, registry
from ..inventory.lag import pairs
from ..inventory.suspensions import KEY, decode, encode, field
from ..pipeline.routes import Route
from .circuit import NOTHING, Circuit, decide

INTERVAL_S: Final = 1.0


class Circuits:
    """All subscriptions of the process."""

    def __init__(self, client: Redis, shards: Sequence[Keys], routes: Iterable[Route], stopping: asyncio.Event) -> None:
        self._client = client
        self._shards = shards
        self._stopping = stopping
        self._wake = asyncio.Event()
        self.by_route: dict[Route, Circuit] = {route: Circuit(route, self._wake.set) for route in routes}

    async def run(self) -> None:
        """Apply the state until stopping, at once after an attempt that asks for a change."""
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                await self._poll()
            except FAULTS as error:
                log.get("worker.circuit").debug("query_delayed", reason=str(error))
                await pause(self._stopping, INTERVAL_S)
            await pause(self._wake, INTERVAL_S)

    async def _poll(self) -> None:
        time, flat = await execute_all(self._client, [("TIME",), ("HGETALL", KEY)])
        await self.apply(pairs(flat), registry.unix_ms(time))

    async def apply(self, stored: Mapping[str, bytes], now_ms: int) -> None:
        """Take each circuit's step, given the fields of `KEY` and Redis' time. Raises RedisError, OSError."""
        for circuit in self.by_route.values():
            await self._step(circuit, stored.get(field(circuit.route.group, circuit.route.pattern), b""), now_ms)

    async def _step(self, circuit: Circuit, stored: bytes, now_ms: int) -> None:
        route, asked = circuit.route, circuit.asked
        if asked.pause_reason is not None:
            await pauses.write(self._client, self._shards, route.group, route.pattern, asked.pause_reason)
        step = decide(decode(stored), asked, circuit.probe, route, now_ms)
        if step.event:
            value = b"" if step.state is None else encode(step.state)
            call = scripts.Call(scripts.SWAP, (KEY,), (field(route.group, route.pattern), stored, value))
            if not await scripts.run(self._client, call):
                self._wake.set()  # another worker was first: look again
                return
        circuit.took(step, asked, now_ms)
        if circuit.asked is not NOTHING:
            self._wake.set()

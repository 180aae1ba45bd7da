"""Stores what suspends subscriptions, and applies it, in every worker process.

Runs after each look at the home shard; when an attempt asks for something, the next look is at once. Each change is one
compare-and-set, so that of all workers one opens, one probes, one closes. While Redis is unreachable, the last state
holds.
"""

import time
from collections.abc import Iterable, Mapping, Sequence

from ...shared import log, scripts
from ...shared.clock import now_ms
from ...shared.connection import Redis
from ...shared.keys import Keys
from ..inventory import pauses
from ..inventory.suspensions import KEY, decode, encode, field
from ..pipeline.routes import Route
from .circuit import NOTHING, Circuit, decide
from .look import Look, Lookout


class Circuits:
    """All subscriptions of the process. `lookout` looks at the home shard."""

    def __init__(
        self,
        client: Redis,
        lookout: Lookout,
        shards: Sequence[Keys],
        routes: Iterable[Route],
    ) -> None:
        self._client = client
        self._lookout = lookout
        self._shards = shards
        self._stored_s = 0.0
        """When this process last stored a step: an earlier look may lack it."""
        self.by_route: dict[Route, Circuit] = {route: Circuit(route, lookout.hurry) for route in routes}

    async def run(self) -> None:
        """Apply the state until stopping."""
        await self._lookout.each(self._looked, logger=log.get("worker.circuit"))

    async def _looked(self, look: Look) -> None:
        if look.began_s > self._stored_s:
            await self.apply(look.suspended, now_ms())
        else:
            self._lookout.hurry()

    async def apply(self, stored: Mapping[str, bytes], now_ms: int) -> None:
        """Take each circuit's step, given the fields of `KEY` and Redis' time. Raises RedisError, OSError."""
        for circuit in self.by_route.values():
            await self._step(circuit, stored.get(field(circuit.route.group, circuit.route.pattern), b""), now_ms)

    async def _step(self, circuit: Circuit, stored: bytes, now_ms: int) -> None:
        route, asked = circuit.route, circuit.asked
        step = decide(decode(stored), asked, circuit.probe, route, now_ms)
        if step.event:
            value = b"" if step.state is None else encode(step.state)
            call = scripts.Call(scripts.SWAP, (KEY,), (field(route.group, route.pattern), stored, value))
            is_stored = await scripts.run(self._client, call)
            self._stored_s = time.monotonic()
            if not is_stored:
                self._lookout.hurry()  # another worker was first
                return
        # Only with the step: an operator may resume while it is tried again.
        if asked.pause_reason is not None:
            await pauses.write(self._client, self._shards, route.group, route.pattern, asked.pause_reason)
        circuit.took(step, asked, now_ms)
        if circuit.asked is not NOTHING:
            self._lookout.hurry()

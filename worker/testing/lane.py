"""One subscription in a `Bus`: the worker's own subscriber and circuit. What Redis would hold for them is in memory."""

import asyncio
from collections.abc import Callable
from typing import Final

from ..api.delivery import InFlight
from ..duties.circuit import PAUSE_EFFECT_MS, Circuit, decide
from ..inventory.suspensions import Suspension
from ..pipeline.outcome import Outcome
from ..pipeline.pending_outcome import PendingOutcome
from ..pipeline.process import Caller
from ..pipeline.routes import Route
from ..pipeline.slots import Slots
from ..pipeline.subscriber import Subscriber

CONSUMER: Final = "test"


class Lane:
    """Times are Unix ms of the test. Bound to the event loop that runs at creation."""

    def __init__(self, route: Route, now_ms: Callable[[], int]) -> None:
        self.route = route
        self._now_ms = now_ms
        self._suspension: Suspension | None = None
        self._ended: dict[InFlight, asyncio.Future[PendingOutcome]] = {}
        self._circuit = Circuit(route, lambda: None)
        self._subscriber = Subscriber(
            route=route,
            caller=Caller(route, route.concurrency),
            slots=Slots(route.concurrency, self._circuit.circuit_gate),
            outcome_writer=self,
            observe=self._circuit.observe,
            stopping=asyncio.Event(),
        )

    def opens_ms(self) -> int | None:
        """When it may begin a delivery: 0 for now; None if that depends on an attempt that runs."""
        if self._circuit.circuit_gate.places != 0:
            return 0
        return self._suspension.until_ms if self._suspension is not None else None

    def admits(self) -> bool:
        """Whether a delivery may begin."""
        self._step(self._now_ms())
        return self._subscriber.free() > 0

    async def run(self, in_flight: InFlight) -> PendingOutcome:
        """Run one attempt to its outcome."""
        ended: asyncio.Future[PendingOutcome] = asyncio.get_running_loop().create_future()
        self._ended[in_flight] = ended
        try:
            self._subscriber.begin(in_flight)
            pending = await ended
        finally:
            del self._ended[in_flight]
        await self._subscriber.reported()
        return pending

    def settle(self, in_flight: InFlight, outcome: Outcome, slots: Slots, duration_s: float) -> None:
        """Take an outcome from the subscriber, in the place of the writer to Redis."""
        slots.settled(in_flight)
        ended = self._ended.get(in_flight)
        if ended is not None and not ended.done():
            ended.set_result(PendingOutcome(in_flight, outcome, slots, duration_s, self._now_ms()))

    def take_pause(self) -> bool:
        """Apply what the last attempt asked for; whether that was a pause of the pattern."""
        is_pause = self._circuit.asked.pause_reason is not None
        self._step(self._now_ms())
        return is_pause

    def resume(self) -> None:
        """End what suspends it, as `hookbus-worker resume` does, once every process has heard of it."""
        self._suspension = None
        self._step(self._now_ms() + PAUSE_EFFECT_MS)

    async def close(self) -> None:
        """Cancel what still runs; start no more threads."""
        await self._subscriber.finish(0)
        self._subscriber.close()
        for ended in self._ended.values():
            ended.cancel()

    def _step(self, now_ms: int) -> None:
        """Take the circuit's step, as `duties.circuits` does every second and after an attempt that asks for one."""
        asked = self._circuit.asked
        step = decide(self._suspension, asked, self._circuit.probe, self.route, now_ms)
        self._suspension = step.state
        self._circuit.took(step, asked, now_ms)

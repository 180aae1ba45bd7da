"""The circuit breaker of one subscription: suspends it in all workers of the group while its handler only fails.

Failures are counted in the process, without Redis; the process that counts enough of them opens the breaker for all.
From then on no delivery begins: those already read stay pending, the rest stays in its streams, and no attempt is used
up. After the delay one worker probes with one delivery: success closes the breaker, failure opens it for longer. Runs
once a second and costs one HGET per subscription. If the prober dies, its probe counts as lost after its timeout and
another worker probes. While Redis is unreachable, the last state holds.
"""

import asyncio
from typing import Final, Literal

import msgspec

from ...shared import log, scripts
from ...shared.clock import now_ms
from ...shared.connection import FAULTS, Redis
from ...shared.keys import Keys
from ...shared.pause import pause
from ..inventory.open_breakers import Opened, decode, encode
from ..pipeline.cause import Cause
from ..pipeline.dead_letter import fingerprint_of
from ..pipeline.outcome import Outcome, failure, is_success
from ..pipeline.routes import Route
from ..pipeline.slots import CircuitGate

INTERVAL_S: Final = 1.0
ERROR_CHARS: Final = 200
MARGIN_MS: Final = 5_000
"""How long after the handler's timeout the outcome of a probe may still be published."""


class Circuit:
    """One per subscription and process; `circuit_gate` limits the slots of all its shards."""

    def __init__(self, client: Redis, route: Route, consumer: str, stopping: asyncio.Event) -> None:
        self.circuit_gate = CircuitGate()
        self._breaker = route.breaker
        self._client = client
        self._route = route
        self._key = Keys(0).breakers(route.group)
        self._consumer = consumer
        self._stopping = stopping
        self._failures = 0
        self._stored = b""
        self._to_publish: Opened | None = None
        self._verdict: bool | None = None
        self._wake = asyncio.Event()
        self._log = log.get("worker.circuit").bind(group=route.group, pattern=route.pattern)

    def observe(self, outcome: Outcome, event_type: str) -> None:
        """An attempt has ended."""
        if self._breaker is None:
            return
        if is_success(outcome):
            self._failures = 0
            if self.circuit_gate.is_blocked:
                self._judge(verdict=True)
        elif (cause := failure(outcome)) is not None:
            self._failures += 1
            if self.circuit_gate.is_blocked:
                self._judge(verdict=False)
            elif self._failures >= self._breaker.failures:
                self._open(cause, event_type)
        elif self._is_probing():
            self.circuit_gate.set(1)  # neither success nor failure: the next delivery probes

    def _open(self, cause: Cause, event_type: str) -> None:
        self.circuit_gate.set(0)
        now = now_ms()
        fingerprint, error = fingerprint_of(cause, event_type), str(cause)[:ERROR_CHARS]
        self._to_publish = Opened(fingerprint, error, now, now + self._delay_ms(1), frame=cause.place)
        self._wake.set()

    def _judge(self, *, verdict: bool) -> None:
        self._verdict = self._verdict or verdict
        self._wake.set()

    async def apply(self) -> None:
        """Read the stored state and take the step that is due. Raises RedisError, OSError."""
        if self._to_publish is not None:
            await self._swap(b"", self._to_publish, "breaker_opened")
            self._to_publish = None
        self._stored = await self._client.execute_command("HGET", self._key, self._route.pattern) or b""
        if not self._stored:
            self._close()
            return
        opened = decode(self._stored)
        if self._verdict:
            await self._swap(self._stored, None, "breaker_closed")
            self._close()
        elif self._verdict is False and opened.prober == self._consumer:
            longer_ms = self._delay_ms(opened.times + 1)
            reopened = msgspec.structs.replace(opened, times=opened.times + 1, try_ms=now_ms() + longer_ms, prober="")
            self._block()
            await self._swap(self._stored, reopened, "breaker_stays_open")
        elif now_ms() >= opened.try_ms:
            await self._probe(opened)
        elif opened.prober != self._consumer:
            self._block()
        self._verdict = None

    async def _probe(self, opened: Opened) -> None:
        """Become the prober and admit one delivery, unless another worker is faster."""
        lease_ms = round(self._route.timeout_s * 1000) + MARGIN_MS
        mine = msgspec.structs.replace(opened, try_ms=now_ms() + lease_ms, prober=self._consumer)
        if await self._swap(self._stored, mine, "breaker_probing"):
            self.circuit_gate.set(1)
        else:
            self._block()

    def _block(self) -> None:
        self.circuit_gate.set(0)

    def _close(self) -> None:
        """Remove the limit: the breaker was closed here or elsewhere, by a success or by an operator."""
        self._verdict = None
        if self.circuit_gate.is_blocked:
            self._failures = 0
            self.circuit_gate.set(None)
            self._log.info("breaker_closed")

    async def _swap(
        self,
        expected: bytes,
        value: Opened | None,
        event: Literal["breaker_opened", "breaker_stays_open", "breaker_probing", "breaker_closed"],
    ) -> bool:
        packed = b"" if value is None else encode(value)
        call = scripts.Call(scripts.SWAP, (self._key,), (self._route.pattern, expected, packed))
        if not await scripts.run(self._client, call):
            return False
        self._stored = packed
        if value is not None:
            next_s = round(max(0, value.try_ms - now_ms()) / 1000, 1)
            fields = {"fingerprint": value.fingerprint, "error": value.error, "times": value.times}
            if value.frame:
                fields["frame"] = value.frame
            self._log.warning(event, **fields, next_s=next_s)
        return True

    def _is_probing(self) -> bool:
        return self.circuit_gate.is_blocked and bool(self._stored) and decode(self._stored).prober == self._consumer

    def _delay_ms(self, times: int) -> int:
        assert self._breaker is not None
        return round(self._breaker.delay_s(times) * 1000)

    async def run(self) -> None:
        """Apply the state until stopping, at once after a verdict."""
        while self._breaker is not None and not self._stopping.is_set():
            self._wake.clear()
            try:
                await self.apply()
            except FAULTS as error:
                self._log.debug("query_delayed", reason=str(error))
                await pause(self._stopping, INTERVAL_S)
            await pause(self._wake, INTERVAL_S)

"""The circuit breaker of one subscription: stops it in all workers of the group while its handler only fails.

Failures are counted here, without asking Redis; the process that sees enough of them opens the breaker for all.
From then on nothing begins: what was read waits pending, the rest in its streams, and no attempt is burnt. When the
delay is over one worker lets one delivery try: success closes the breaker, failure opens it for longer. Looks once a
second, at the cost of one HGET a subscription. Dies half-way: a try that nobody reports on counts as lost after its
timeout, and another worker has one. With Redis away the last known state holds.
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
"""How long beyond the handler's timeout the outcome of a try may take to be told."""


class Circuit:
    """One for a subscription and process; the slots of all its shards are behind `circuit_gate`."""

    def __init__(self, client: Redis, route: Route, consumer: str, stopping: asyncio.Event) -> None:
        self.circuit_gate = CircuitGate()
        self._breaker = route.breaker
        self._client = client
        self._route = route
        self._key = Keys(0).breakers(route.group)
        self._consumer = consumer
        self._stopping = stopping
        self._failures = 0
        self._seen = b""
        self._to_publish: Opened | None = None
        self._verdict: bool | None = None
        self._is_told = asyncio.Event()
        self._log = log.get("worker.circuit").bind(group=route.group, pattern=route.pattern)

    def observe(self, outcome: Outcome, event_type: str) -> None:
        """An attempt has ended."""
        if self._breaker is None:
            return
        if is_success(outcome):
            self._failures = 0
            if self.circuit_gate.is_blocked:
                self._tell(verdict=True)
        elif (cause := failure(outcome)) is not None:
            self._failures += 1
            if self.circuit_gate.is_blocked:
                self._tell(verdict=False)
            elif self._failures >= self._breaker.failures:
                self._open(cause, event_type)
        elif self._is_probing():
            self.circuit_gate.set(1)  # it told nothing; the next one may

    def _open(self, cause: Cause, event_type: str) -> None:
        self.circuit_gate.set(0)
        now = now_ms()
        mark, error = fingerprint_of(cause, event_type), str(cause)[:ERROR_CHARS]
        self._to_publish = Opened(mark, error, now, now + self._delay_ms(1), frame=cause.place)
        self._is_told.set()

    def _tell(self, *, verdict: bool) -> None:
        self._verdict = self._verdict or verdict
        self._is_told.set()

    async def apply(self) -> None:
        """Look, and do what is due. Raises RedisError, OSError."""
        if self._to_publish is not None:
            await self._swap(b"", self._to_publish, "breaker_opened")
            self._to_publish = None
        self._seen = await self._client.execute_command("HGET", self._key, self._route.pattern) or b""
        if not self._seen:
            self._close()
            return
        known = decode(self._seen)
        if self._verdict:
            await self._swap(self._seen, None, "breaker_closed")
            self._close()
        elif self._verdict is False and known.prober == self._consumer:
            longer = self._delay_ms(known.times + 1)
            again = msgspec.structs.replace(known, times=known.times + 1, try_ms=now_ms() + longer, prober="")
            self._shut()
            await self._swap(self._seen, again, "breaker_stays_open")
        elif now_ms() >= known.try_ms:
            await self._probe(known)
        elif known.prober != self._consumer:
            self._shut()
        self._verdict = None

    async def _probe(self, known: Opened) -> None:
        """Be the one that lets a delivery try, unless another worker is."""
        lease_ms = round(self._route.timeout_s * 1000) + MARGIN_MS
        mine = msgspec.structs.replace(known, try_ms=now_ms() + lease_ms, prober=self._consumer)
        if await self._swap(self._seen, mine, "breaker_probing"):
            self.circuit_gate.set(1)
        else:
            self._shut()

    def _shut(self) -> None:
        self.circuit_gate.set(0)

    def _close(self) -> None:
        """Closed here or elsewhere, by a success or by an operator."""
        self._verdict = None
        if self.circuit_gate.is_blocked:
            self._failures = 0
            self.circuit_gate.set(None)
            self._log.info("breaker_closed")

    async def _swap(
        self,
        seen: bytes,
        value: Opened | None,
        event: Literal["breaker_opened", "breaker_stays_open", "breaker_probing", "breaker_closed"],
    ) -> bool:
        packed = b"" if value is None else encode(value)
        call = scripts.Call(scripts.SWAP, (self._key,), (self._route.pattern, seen, packed))
        if not await scripts.run(self._client, call):
            return False
        self._seen = packed
        if value is not None:
            tried_s = round(max(0, value.try_ms - now_ms()) / 1000, 1)
            fields = {"fingerprint": value.fingerprint, "error": value.error, "times": value.times}
            if value.frame:
                fields["frame"] = value.frame
            self._log.warning(event, **fields, next_s=tried_s)
        return True

    def _is_probing(self) -> bool:
        return self.circuit_gate.is_blocked and bool(self._seen) and decode(self._seen).prober == self._consumer

    def _delay_ms(self, times: int) -> int:
        assert self._breaker is not None
        return round(self._breaker.delay_s(times) * 1000)

    async def run(self) -> None:
        """Look until stopping; at once when something was told."""
        while self._breaker is not None and not self._stopping.is_set():
            self._is_told.clear()
            try:
                await self.apply()
            except FAULTS as error:
                self._log.debug("query_delayed", reason=str(error))
                await pause(self._stopping, INTERVAL_S)
            await pause(self._is_told, INTERVAL_S)

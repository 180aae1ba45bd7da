"""Group commit: while one batch is on its way to Redis, the next one gathers.

One queue a shard. Each batch is one script call, which dedupes and stores atomically; every request waits for its
own batch, so a 200 is never given for less. A lost reply leaves open whether the batch was stored: its requests get
503, their senders come again with the same webhook-id, and the dedupe answers.
"""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from ingest import metrics
from ingest.fitness import Fitness
from ingest.measures import Stored
from shared import scripts
from shared.connection import FAULTS
from shared.fault import Code, Fault, fault_of
from shared.keys import Keys
from shared.line import Line

DIGEST_BYTES: Final = 16
DAY_MS: Final = 86_400_000


class Received(msgspec.Struct, frozen=True):
    """A verified event. `at_ms` is Unix ms; `traceparent` is "" where the sender gave none; `late_ms`: how long it was
    on its way, None where it does not say when it was made."""

    event_type: str
    webhook_id: str
    source: str
    at_ms: int
    body: bytes
    traceparent: str = ""
    late_ms: int | None = None

    def digest(self) -> bytes:
        """What the dedupe remembers: 16 bytes of source and webhook-id.

        Ids are unique for their sender only; without the source, one sender's id could swallow another's event.
        """
        return hashlib.blake2b(f"{self.source}\n{self.webhook_id}".encode(), digest_size=DIGEST_BYTES).digest()


class RefusedError(Exception):
    """The event was not stored, as far as we know; the sender should come again."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.code: Code = fault.code


class Queue:
    """Stores the events of one shard. `days` day sets make up the dedupe window."""

    def __init__(
        self, line: Line, shard: int, fitness: Fitness, *, days: int, batch_size: int, max_waiting: int
    ) -> None:
        self._line = line
        self._keys = Keys(shard)
        self._fitness = fitness
        self._days = days
        self._batch_size = batch_size
        self._max_waiting = max_waiting
        self._waiting: list[tuple[Received, asyncio.Future[bool]]] = []
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._stored = Stored()

    async def store(self, event: Received) -> bool:
        """Store an event; True when stored, False when it was before. Raises RefusedError."""
        if self._fitness.fault is not None:
            raise RefusedError(self._fitness.fault)
        if len(self._waiting) >= self._max_waiting:
            raise RefusedError(Fault("overloaded", f"{self._max_waiting} events wait for Redis"))
        future: asyncio.Future[bool] = self._loop.create_future()
        self._waiting.append((event, future))
        self._wake.set()
        return await future

    async def run(self) -> None:
        """Commit batch after batch, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = self._waiting[: self._batch_size]
                del self._waiting[: self._batch_size]
                metrics.WAITING.set(len(self._waiting))
                await self._commit(batch)

    async def _commit(self, batch: Sequence[tuple[Received, "asyncio.Future[bool]"]]) -> None:
        metrics.BATCH_EVENTS.observe(len(batch))
        events = [event for event, _ in batch]
        began = time.perf_counter()
        try:
            stored = await scripts.run(self._line, self._call(events))
        except FAULTS as error:
            fault = fault_of(error)
            self._fitness.doubt(fault)
            waiting, self._waiting = self._waiting, []
            for _, future in (*batch, *waiting):
                if not future.done():
                    future.set_exception(RefusedError(fault))
        else:
            for (_, future), mark in zip(batch, stored, strict=True):
                if not future.done():
                    future.set_result(mark == ord("1"))
            self._stored.count(events, stored, time.perf_counter() - began)

    def _call(self, events: Sequence[Received]) -> scripts.Call:
        today = events[0].at_ms // DAY_MS
        # Tomorrow's too: another process, or this one before its clock was set back, may have been past midnight.
        days = [today, today + 1, *(today - day for day in range(1, self._days))]
        streams = {name: i for i, name in enumerate(dict.fromkeys(event.event_type for event in events), 1)}
        args: list[scripts.Argument] = [len(days), (self._days + 1) * DAY_MS // 1000, len(streams), *streams]
        for event in events:
            args += (
                streams[event.event_type],
                event.digest(),
                event.webhook_id,
                event.source,
                event.at_ms,
                event.body,
                event.traceparent,
            )
        names = [
            self._keys.types,
            self._keys.seen(today - self._days),
            *(self._keys.seen(day) for day in days),
            *(self._keys.stream(name) for name in streams),
        ]
        return scripts.Call(scripts.ENQUEUE, names, args)

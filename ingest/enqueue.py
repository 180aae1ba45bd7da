"""Group commit: while one batch is on its way to Redis, the next one gathers.

One queue a shard. Each batch is one script call, which dedupes and stores atomically. Every request waits for its own
batch, so a 200 is returned only once the event is stored. A lost reply leaves open whether the batch was stored: its
requests get 503, the senders retry with the same webhook-id, and the dedupe detects stored events. An error of one
stream (its key has another type, its ids are exhausted, our user may not write to it) is a 503 for its events alone.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence

from redis.exceptions import NoPermissionError

from ..shared import scripts
from ..shared.connection import FAULTS
from ..shared.dedupe import DAY_MS
from ..shared.fault import Code, Fault, error_of, fault_of, is_of_one_stream
from ..shared.keys import Keys
from ..shared.raw_connection import RawConnection
from . import commit, metrics
from .commit import Received
from .measures import Stored
from .redis_health import RedisHealth
from .stream_errors import StreamErrors

STORED, REFUSED = ord("1"), ord("x")
"""Marks in the reply of `enqueue.lua`."""

Waiting = tuple[Received, "asyncio.Future[bool]"]


class RefusedError(Exception):
    """The event may not be stored; the sender should retry."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.code: Code = fault.code


class Queue:
    """Stores the events of one shard. `days` day sets make up the dedupe window."""

    def __init__(
        self,
        connection: RawConnection,
        shard: int,
        redis_health: RedisHealth,
        *,
        days: int,
        batch_size: int,
        max_waiting: int,
    ) -> None:
        self._connection = connection
        self._keys = Keys(shard)
        self._redis_health = redis_health
        self._days = days
        self._batch_size = batch_size
        self._max_waiting = max_waiting
        self._waiting: list[Waiting] = []
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._stored = Stored()
        self._landmarks = redis_health.landmarks[shard]
        self._stream_errors = StreamErrors(self._keys)

    async def store(self, event: Received) -> bool:
        """Store an event; False for a duplicate, which is stored already. Raises RefusedError."""
        if self._redis_health.fault is not None:
            raise RefusedError(self._redis_health.fault)
        if len(self._waiting) >= self._max_waiting:
            raise RefusedError(Fault("overloaded", f"{self._max_waiting} events wait for Redis"))
        future: asyncio.Future[bool] = self._loop.create_future()
        self._waiting.append((event, future))
        self._wake.set()
        return await future

    async def run(self) -> None:
        """Commit batch after batch until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = self._waiting[: self._batch_size]
                del self._waiting[: self._batch_size]
                metrics.WAITING.set(len(self._waiting))
                await self._commit(batch)

    async def _commit(self, batch: Sequence[Waiting]) -> None:
        metrics.BATCH_EVENTS.observe(len(batch))
        events = [event for event, _ in batch]
        began = time.perf_counter()
        try:
            reply = await scripts.run(self._connection, commit.store(self._keys, events, self._days))
        except NoPermissionError as error:  # the script did not run at all
            await self._forbidden(batch, error)
        except FAULTS as error:
            self._refuse_all(batch, fault_of(error))
        else:
            marks, errors = (reply, []) if isinstance(reply, bytes) else (reply[0], reply[1:])
            if errors:
                self._refuse_some(batch, marks, errors)
            for (_, future), mark in zip(batch, marks, strict=True):
                if not future.done():
                    future.set_result(mark == STORED)
            last = marks.rfind(b"1")
            if last >= 0:
                event = events[last]
                self._landmarks.latest = event.at_ms, events[0].at_ms // DAY_MS, event.source, event.webhook_id
            self._stored.count(events, marks, time.perf_counter() - began)

    def _refuse_all(self, batch: Iterable[Waiting], fault: Fault) -> None:
        """The server stored none of them, and would store nothing now: fail the waiting events too."""
        self._redis_health.mark_suspect(fault)
        waiting, self._waiting = self._waiting, []
        _fail((*batch, *waiting), fault)

    def _refuse_some(self, batch: Sequence[Waiting], marks: bytes, errors: Sequence[bytes]) -> None:
        """The script ran, and XADD failed for the events marked `x`; `errors` are theirs, in order."""
        refused = [waiting for waiting, mark in zip(batch, marks, strict=True) if mark == REFUSED]
        for waiting, text in zip(refused, errors, strict=True):
            event, error = waiting[0], error_of(text)
            if is_of_one_stream(error):
                _fail([waiting], self._stream_errors.record(event.event_type, error))
            else:
                self._redis_health.mark_suspect(fault_of(error))
                _fail([waiting], fault_of(error))

    async def _forbidden(self, batch: Sequence[Waiting], error: NoPermissionError) -> None:
        """Our user lacks access to a key: commit each stream by itself, so that only forbidden ones fail."""
        parts: dict[str, list[Waiting]] = {}
        for waiting in batch:
            parts.setdefault(waiting[0].event_type, []).append(waiting)
        if len(parts) > 1:
            for part in parts.values():
                await self._commit(part)
        else:
            # If the user lacks access to everything, the next health check detects it.
            (event_type,) = parts
            _fail(batch, self._stream_errors.record(event_type, error, len(batch)))


def _fail(batch: Iterable[Waiting], fault: Fault) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(RefusedError(fault))

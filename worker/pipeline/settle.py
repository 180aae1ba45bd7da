"""Writes outcomes to Redis: acks in batches, retries and dead letters by scripts that check who owns the delivery.

Runs when there are outcomes to write, one pipeline at a time; new outcomes gather meanwhile. While Redis is unreachable
the writer retries: acks can be repeated, and a script that already ran owns nothing any more. If the process dies
before the write, the delivery stays pending and another process runs it again: at least once, never less.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec.structs import replace
from redis.exceptions import NoScriptError, RedisError

from ...shared import log, memory, scripts
from ...shared.backoff import Reconnect
from ...shared.clock import now_ms
from ...shared.connection import FAULTS, refusal_code
from ...shared.keys import Keys
from ...shared.pause import pause
from ...shared.raw_connection import Command, RawConnection
from ..api.delivery import UNKNOWN_TERM, InFlight
from . import metrics
from .cause import brief
from .named import named
from .outcome import Ack, Outcome, Park
from .pending_outcome import PendingOutcome
from .slots import Slots
from .traces import Traces
from .unusable_keys import is_of_one_key

TAKEN_OVER: Final = "another consumer took the delivery over; this outcome is discarded"
SETTLED_EARLIER: Final = "written by an earlier try whose reply was lost, or taken over by another consumer"
READ_ELSEWHERE: Final = (
    "read before Redis failed over or restarted, and no longer owned by this consumer; this outcome is discarded"
)
REFUSED_S: Final = 1.0
"""Between two tries to write outcomes that Redis refused, for lack of memory or another reason."""
REFUSED_LOG_S: Final = 10.0
"""Between two log lines about such a refusal."""
RESERVE: Final = 1.05
"""Share of `maxmemory` up to which retries and dead letters are written beyond the limit (a guess: buffers and
fragmentation alone take more than that)."""


Parked = Callable[[Keys, str, int], None]
"""Called with shard, group and due time (Unix ms) of each parked delivery."""


class OutcomeWriter:
    """One per process. `recovered_most`: how many recovered deliveries are remembered of each group and shard."""

    def __init__(self, connection: RawConnection, consumer: str, parked: Parked, recovered_most: int = 0) -> None:
        self._connection = connection
        self._consumer = consumer
        self._parked = parked
        self._recovered_most = recovered_most
        self._waiting: list[PendingOutcome] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._reconnect = Reconnect()
        self._log = log.get("worker.settle")
        self._is_debug = log.is_debug()
        self._traces = Traces()

        self._refused: list[PendingOutcome] = []
        self._failing_since: float | None = None
        self._retry_refused_at = 0.0
        self._refused_logged_at = -REFUSED_LOG_S

    def settle(self, in_flight: InFlight, outcome: Outcome, slots: Slots, duration_s: float) -> None:
        """Queue an outcome to be written."""
        self._waiting.append(PendingOutcome(in_flight, outcome, slots, duration_s, now_ms()))
        self._idle.clear()
        self._wake.set()

    def failing_s(self) -> float:
        """Seconds for which every write of an outcome has failed; 0 if the last one succeeded.

        Refusals for lack of memory or because of one key do not count.
        """
        return 0.0 if self._failing_since is None else time.monotonic() - self._failing_since

    async def all_written(self) -> None:
        """Wait until all outcomes are written."""
        await self._idle.wait()

    async def run(self) -> None:
        """Write outcomes until cancelled."""
        while True:
            await self._until_there_is_work()
            while self._waiting:
                batch, self._waiting = self._waiting, []
                metrics.UNSETTLED.set(len(batch))
                unwritten = await self._write(batch)
                if unwritten:
                    self._waiting = unwritten + self._waiting
                    await asyncio.sleep(self._reconnect.next_s())
                else:
                    self._reconnect.reset()
            metrics.UNSETTLED.set(len(self._refused))
            if not self._refused:
                self._idle.set()

    async def _until_there_is_work(self) -> None:
        """Wait for outcomes, or until refused ones are due again: acks go on meanwhile, as they free memory."""
        if not self._refused:
            await self._wake.wait()
        else:
            await pause(self._wake, self._retry_refused_at - time.monotonic())
        self._wake.clear()
        if self._refused and time.monotonic() >= self._retry_refused_at:
            refused, self._refused = self._refused, []
            self._retry_refused_at = time.monotonic() + REFUSED_S
            try:
                past_the_limit = await self._has_reserve()
            except FAULTS:
                past_the_limit = False
            self._waiting += [replace(item, past_the_limit=past_the_limit) for item in refused]

    async def _has_reserve(self) -> bool:
        """Whether retries and dead letters may exceed the memory limit of Redis.

        An unsettled delivery and all later events cannot be trimmed: one failing delivery would keep a full Redis full.
        """
        return await memory.share_used(self._connection) < RESERVE

    async def _write(self, batch: Sequence[PendingOutcome]) -> list[PendingOutcome]:
        """Write a batch. Returns the outcomes to write again."""
        try:
            return await self._write_to(await self._connection.ready(), batch)
        except FAULTS as error:
            self._failing_since = self._failing_since or time.monotonic()
            self._log.warning("settling_delayed", outcomes=len(batch), reason=str(error) or type(error).__name__)
            return [replace(item, was_sent=True) for item in batch]

    async def _write_to(self, term: str, batch: Sequence[PendingOutcome]) -> list[PendingOutcome]:
        """Write a batch to the connected server, whose term is `term`. Raises RedisError, OSError."""
        acks: dict[tuple[str, str], list[PendingOutcome]] = {}
        calls: list[tuple[PendingOutcome, scripts.Call]] = []
        for item in batch:
            in_flight = item.in_flight
            if isinstance(item.outcome, Ack) and in_flight.term == term and not in_flight.is_own_stream:
                acks.setdefault((in_flight.stream, in_flight.delivery.group), []).append(item)
            elif call := self._call(item, term):
                calls.append(call)
        commands: list[Command] = [
            ("XACK", stream, group, *(item.in_flight.entry_id for item in items))
            for (stream, group), items in acks.items()
        ]
        commands += [call.command() for _, call in calls]
        return await self._read_results(acks, calls, await self._connection.execute_all(commands))

    def _call(self, item: PendingOutcome, term: str) -> tuple[PendingOutcome, scripts.Call] | None:
        """The script call for a retry, a dead letter or a handled redelivery.

        An outcome that cannot be encoded becomes a plain dead letter; if that fails too, the delivery stays pending and
        runs again.
        """
        try:
            return item, item.call(self._consumer, term, self._recovered_most)
        except Exception as error:  # noqa: BLE001 - the other outcomes must be written whatever it is
            self._log.error("outcome_unwritable", **named(item.in_flight.delivery), error=str(brief(error)))
            plain = item.plain(brief(error))
        try:
            return plain, plain.call(self._consumer, term)
        except Exception:  # noqa: BLE001 - logged above
            item.slots.defer(item.in_flight)
            return None

    async def _read_results(
        self,
        acks: dict[tuple[str, str], list[PendingOutcome]],
        calls: Sequence[tuple[PendingOutcome, scripts.Call]],
        results: list[Any],
    ) -> list[PendingOutcome]:
        unwritten: list[PendingOutcome] = []
        for items, result in zip(acks.values(), results[: len(acks)], strict=True):
            for item in items:
                self._wrote(item, result)
        missing = set()
        for (item, call), result in zip(calls, results[len(acks) :], strict=True):
            if isinstance(result, NoScriptError):
                missing.add(call.script)
                unwritten.append(item)
            else:
                self._wrote(item, result)
        for script in missing:
            try:
                await self._connection.script_load(script.source)
            except FAULTS:
                break  # the next write detects the missing script again
        return unwritten

    def _wrote(self, item: PendingOutcome, result: Any) -> None:
        delivery = item.in_flight.delivery
        if isinstance(result, RedisError):
            is_stream_gone = isinstance(item.outcome, Ack) and refusal_code(result) == "WRONGTYPE"
            if refusal_code(result) == "OOM" or (is_of_one_key(result) and not is_stream_gone):
                self._postpone(item, result)
                return
            if refusal_code(result) != "NOGROUP" and not is_stream_gone:
                self._failing_since = self._failing_since or time.monotonic()
                self._log.warning("settling_delayed", outcomes=1, reason=str(result))
                self._refused.append(item)  # alone: one refused outcome must not delay the others
                return
            result = 0  # the group is gone, and its pending entries with it
        self._failing_since = None
        item.slots.settled(item.in_flight, is_written=result != 0)
        if isinstance(item.outcome, Ack) and not self._is_debug:
            return
        fields = named(delivery) | self._traces.fields(item.outcome, delivery.type)
        if isinstance(item.outcome, Ack):
            event = "skipped" if item.outcome.is_skipped else "handled"
            self._log.debug(event, **fields, duration_s=round(item.duration_s, 4))
        elif result == 0:
            self._log.warning("outcome_discarded", **fields, reason=self._why_discarded(item))
        elif isinstance(item.outcome, Park):
            self._parked(item.in_flight.keys, delivery.group, item.due_ms)
            event = "snoozed" if item.outcome.is_snooze else "parked"
            self._log.info(event, **fields, wait_s=round(item.outcome.wait_s, 3), error=str(item.outcome.cause))
        else:
            self._log.error("dead_letter", **fields, reason=item.outcome.reason, error=str(item.outcome.cause))

    def _why_discarded(self, item: PendingOutcome) -> str:
        if item.in_flight.term not in (UNKNOWN_TERM, self._connection.term):
            return READ_ELSEWHERE
        return SETTLED_EARLIER if item.was_sent else TAKEN_OVER

    def _postpone(self, item: PendingOutcome, refusal: RedisError) -> None:
        """Keep an outcome that Redis refuses for lack of memory or because a key is unusable.

        It is kept for some time and retried at least once, so that it may exceed the limit; then its slot is freed.
        """
        if item.was_refused and item.may_run_again(now_ms()):
            item.slots.defer(item.in_flight)
        else:
            self._refused.append(replace(item, was_refused=True))
        if time.monotonic() - self._refused_logged_at >= REFUSED_LOG_S:
            self._refused_logged_at = time.monotonic()
            self._log.warning(
                "settling_delayed",
                outcomes=len(self._refused),
                reason=f"{refusal}; these retries and dead letters stay pending, and may run again",
            )

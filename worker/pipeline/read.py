"""Reads a group in one shard, for all its subscriptions: XREADGROUP on one connection, as `plan` decides.

Reads ask for no more than may begin; what a read of several streams brings beyond that waits at its subscriber. A
blocking read is ended, and asked anew, when a subscription that it left out has a place again, or a stream is added.
Redelivery streams come and go: Redis refuses the next read of one that is gone, or ends the current one.
When idle, a reader costs Redis one command every two seconds. If the process dies half-way, its entries are pending for
this consumer and are taken over. Entries lost with a broken connection are recovered by looking for the consumer's own
pending entries, after every error and every ten seconds (`own_pending`).
"""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from redis.exceptions import RedisError

from ...shared import log
from ...shared.backoff import Reconnect
from ...shared.connection import FAULTS, refusal_code
from ...shared.pause import pause
from ...shared.raw_connection import RawConnection
from .group_context import GroupContext
from .own_pending import Lost, OwnPending
from .plan import BLOCK_MS, Ask, Offer, Plan
from .read_streams import ReadStreams
from .stream_reads import StreamReads
from .subscriber import Subscriber
from .turns import Turns

REPLY_TIMEOUT_S: Final = 3 * BLOCK_MS / 1000
"""No reply in three blocks: the connection is dead (a BLOCK may return 100 ms late, a half-open socket never does)."""
RECHECK_S: Final = 10.0
"""How often the consumer's own pending entries are compared with the deliveries in flight."""
QUIET_RECHECK_S: Final = 60.0
"""The same while no delivery came or ended, none is deferred and no key is unusable: with 50 groups on 4 shards it was
more than all other commands of an idle process."""
IDLE_S: Final = 1.0
"""Longest wait for a place or a stream: covers threads that ended late."""
GONE: Final = ("NOGROUP", "UNBLOCKED")
"""How Redis refuses a read of a stream that is gone; the second one is how Redis 7.0 ends a blocking read."""

Relist = Callable[[Sequence[str]], Awaitable[Sequence[str]]]
"""Returns those of some types that have a redelivery stream."""


class Reader:
    """Reads on `connection`. `subscriber_of` returns the subscriber of a type; `lost` recreates the group on the
    streams of some types; `relist` tells which types have a redelivery stream."""

    def __init__(
        self,
        here: GroupContext,
        *,
        connection: RawConnection,
        subscriber_of: Callable[[str], Subscriber],
        lost: Lost,
        relist: Relist,
    ) -> None:
        self._here = here
        self._connection = connection
        self._lost = lost
        self._relist = relist
        self._reads = StreamReads(here, connection)
        self._own_pending = OwnPending(here, connection, lost)
        self.streams = ReadStreams(here, subscriber_of)
        self._plan = Plan()
        self._changed = asyncio.Event()
        self._waits_without: set[Subscriber] | None = None
        """While a read blocks: the subscriptions that it leaves out, as they had no place."""
        self._recheck_at_s = 0.0
        self._is_quiet = False
        self._connections = 0
        self._log = log.get("worker.read").bind(group=here.group)

    def add(self, *types: str) -> None:
        """Read more types, from the next call on, or from the end of their pause."""
        for subscriber in self.streams.add(types):
            subscriber.slots.subscribe(functools.partial(self._may_have_place, subscriber))

    async def open(self, types: Iterable[str]) -> None:
        """Read the redelivery streams of types, if their events are read. Raises RedisError, OSError."""
        if self.streams.open(types):
            await self.wake()

    async def pause(self, patterns: frozenset[str]) -> None:
        """Pause the types of exactly these patterns and resume all others. Raises RedisError, OSError.

        A read in progress may still return deliveries of paused types: they do not begin, and go to the handover.
        """
        if not self.streams.pause(patterns):
            return
        for subscriber in self.streams.turns:
            subscriber.slots.notify()  # of resumed types some deliveries may wait
        await self.wake()

    def silent_s(self) -> float:
        """Seconds since the current read began; 0 while waiting for a free slot."""
        return self._reads.silent_s()

    def recheck(self) -> None:
        """Look for own pending entries before the next read: a reply may have been lost on another connection."""
        self._recheck_at_s, self._is_quiet = 0.0, False

    async def wake(self) -> None:
        """End a blocking read: the next one sees what has changed. Raises RedisError, OSError."""
        self._changed.set()
        await self._reads.wake()

    def leave_out(self, full: Iterable[Subscriber]) -> None:
        """Ask anew if the read in progress would bring deliveries to subscriptions that have no place any more."""
        without = self._waits_without
        turns = self.streams.turns
        if without is not None and any(one not in without and one in turns and turns[one].streams for one in full):
            self._reads.wake_soon()

    def _may_have_place(self, subscriber: Subscriber) -> None:
        self._is_quiet = False
        self._changed.set()
        if self._waits_without and subscriber in self._waits_without and self._places(subscriber) > 0:
            self._reads.wake_soon()

    async def run(self) -> None:
        """Read until stopping."""
        reconnect = Reconnect()
        while not self._here.stopping.is_set():
            try:
                await self._connection.ready()
                if not await self._rechecked():
                    await self._next()
                if reconnect.reset():
                    self._log.info("read_recovered")
            except FAULTS as error:
                self.recheck()
                await self._recover(error, reconnect)
        await self._reads.ended()

    async def _rechecked(self) -> bool:
        """Look for own pending entries if it is time. Returns whether it was."""
        wait_s = QUIET_RECHECK_S - RECHECK_S if self._is_quiet and not self._here.unusable_keys else 0.0
        if self._connections == self._connection.made and time.monotonic() < self._recheck_at_s + wait_s:
            return False
        self._connections, self._is_quiet = self._connection.made, True
        await self._reads.greet()
        await self._own_pending.begin([stream for stream in self.streams.all.values() if not stream.is_paused])
        self._recheck_at_s = time.monotonic() + RECHECK_S
        self._is_quiet &= all(not subscriber.slots.has_deferred for subscriber in self.streams.turns)
        self.streams.select()  # streams may have become unusable, or usable again
        return True

    async def _next(self) -> None:
        try:
            await self._read_or_wait()
        except RedisError as error:
            if refusal_code(error) not in GONE:
                raise
            # One that came back meanwhile is read again; NOGROUP may also be about a stream of events.
            if not await self._has_closed() and refusal_code(error) != "UNBLOCKED":
                raise

    async def _has_closed(self) -> bool:
        """Stop reading the redelivery streams that are gone. Returns whether any are. Raises RedisError, OSError."""
        types = self.streams.redelivered
        gone = set(types).difference(await self._relist(types))
        self.streams.close(gone)
        return bool(gone)

    async def _read_or_wait(self) -> None:
        self._changed.clear()
        offers = {one: offer for one, turns in self.streams.turns.items() if (offer := self._offer(one, turns))}
        left_out = {one: turns for one, turns in self.streams.turns.items() if turns.streams and one not in offers}
        is_more_left_out = any(not turns.is_idle for turns in left_out.values())
        now_s = time.monotonic()
        asks = self._plan.next(list(offers.values()), now_s, is_more_left_out=is_more_left_out)
        if not asks:
            await pause(self._changed, self._plan.wide_at_s - now_s if offers else IDLE_S)
        elif asks[0].block_ms:
            await self._wait_for(asks[0], set(left_out))
        else:
            await self._fill(asks)

    def _places(self, subscriber: Subscriber) -> int:
        if subscriber.is_owed or not subscriber.slots.may_read_on():
            return 0
        return subscriber.places.free()

    def _offer(self, subscriber: Subscriber, turns: Turns) -> Offer | None:
        """The places of a subscription for the next read; None if there are none."""
        if not turns.streams:
            subscriber.places.withdraw(self)
            return None
        places = self._places(subscriber)
        if turns.is_busy(places):
            places = min(places, subscriber.places.offer(self))
        return (turns, places) if places > 0 else None

    async def _wait_for(self, ask: Ask, left_out: set[Subscriber]) -> None:
        """Read, and wait until an entry arrives."""
        self._waits_without = left_out
        try:
            reply = await self._reads.one(ask)
        finally:
            self._waits_without = None
        self._received(ask, reply)
        await asyncio.sleep(0)  # quick handlers end now, so the next read can return as many

    async def _fill(self, asks: Sequence[Ask]) -> None:
        """Read without waiting. Until the replies are there, no other reader fills the same places."""
        fills = [(self.streams.all[ask.streams[0]].subscriber.places, ask.fills) for ask in asks if ask.fills]
        for places, number in fills:
            places.reserve(number)
        try:
            replies = await self._reads.all(asks)
            for ask, reply in zip(asks, replies, strict=True):
                if not isinstance(reply, Exception):
                    self._received(ask, reply)
        finally:
            for places, number in fills:
                places.release(number)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        await asyncio.sleep(0)  # quick handlers end now, so the next read can return as many

    def _received(self, ask: Ask, reply: Any) -> None:
        """Begin what a read brought, as far as there are places."""
        brought = {stream.decode(): entries for stream, entries in reply or ()}
        for turns, names in ask.parts:
            found = [name for name in names if name in brought]
            turns.answered(names, found, [name for name in found if len(brought[name]) == ask.count])
        if brought:
            self._is_quiet = False
            self._plan.brought(list(brought), time.monotonic())
        term = self._connection.term
        for name, entries in brought.items():
            stream = self.streams.all[name]
            for entry_id, fields in entries:
                stream.subscriber.accept(stream.in_flight(entry_id, fields or [], term))

    async def _recover(self, error: Exception, reconnect: Reconnect) -> None:
        for subscriber in self.streams.turns:
            subscriber.places.withdraw(self)
        if refusal_code(error) == "NOGROUP":
            try:
                await self._lost(self.streams.types)
            except FAULTS as fault:
                error = fault
            else:
                self.streams.select()
                return
        wait_s = reconnect.next_s()
        self._log.warning("read_failed", reason=str(error) or type(error).__name__, wait_s=round(wait_s, 2))
        await pause(self._here.stopping, wait_s)

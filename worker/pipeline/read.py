"""Reads one subscription of one shard: blocking XREADGROUP for at most the free slots, a task for each delivery.

The reader never reads more than it can start, so a slow subscription delays only itself. When idle, it costs Redis one
command every two seconds. If the process dies half-way, its entries are pending for this consumer and are taken over.
Entries lost with a broken connection are recovered by reading the consumer's own pending entries, after every error and
every ten seconds. The same step detects streams that Redis refuses, marks them unusable and retries them: one bad
stream does not stop the others.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from ...shared import log
from ...shared.backoff import Reconnect
from ...shared.connection import FAULTS, Redis, refusal_code
from ...shared.keys import Keys
from ...shared.pause import pause
from ...shared.raw_connection import Command, RawConnection
from ..api.delivery import InFlight, member_prefix
from .in_flight import in_flight_of
from .slots import DeliveryId, Slots
from .turns import Turns
from .unusable_keys import UnusableKeys, is_of_one_key

BLOCK_MS: Final = 2000
"""Longest wait for events in one call: an idle reader costs one call every two seconds."""
REPLY_TIMEOUT_S: Final = 3 * BLOCK_MS / 1000
"""No reply in three blocks: the connection is dead (a BLOCK may return 100 ms late, a half-open socket never does)."""
UNBLOCK_RETRY_S: Final = 0.02
"""Between two calls to end a read that has not begun in Redis yet."""
RECHECK_S: Final = 10.0
"""How often the consumer's own pending entries are compared with the deliveries in flight."""

Lost = Callable[[Iterable[str]], Awaitable[None]]


class Reader:
    """`begin` starts a delivery; `lost` recreates the group on the streams of some types."""

    def __init__(
        self,
        *,
        connection: RawConnection,
        control: Redis,
        keys: Keys,
        group: str,
        consumer: str,
        slots: Slots,
        overdue: Callable[[], int],
        begin: Callable[[InFlight], None],
        lost: Lost,
        unusable_keys: UnusableKeys,
        stopping: asyncio.Event,
    ) -> None:
        self._connection = connection
        self._control = control
        self._keys = keys
        self._group = group
        self._consumer = consumer
        self._slots = slots
        self._overdue = overdue
        self._begin = begin
        self._lost = lost
        self._unusable_keys = unusable_keys
        self._stopping = stopping
        self._turns = Turns(unusable_keys)
        self._surplus: dict[DeliveryId, InFlight] = {}
        self._client_id = 0
        self._connections = 0
        self._reading_since: float | None = None
        self._log = log.get("worker.read").bind(group=group)

    @property
    def types(self) -> list[str]:
        """The event types of the streams."""
        return list(dict.fromkeys(name for name, _ in self.streams.values()))

    @property
    def streams(self) -> dict[str, tuple[str, bool]]:
        """Stream → event type, and whether it is the group's own redelivery stream."""
        return self._turns.streams

    def add(self, *types: str, paused: Iterable[str] = ()) -> None:
        """Read more types, from the next call on, or from the end of their pause."""
        streams = {self._keys.stream(name): (name, False) for name in types}
        streams |= {self._keys.redelivery(name, self._group): (name, True) for name in types}
        self._turns.add(streams, paused)

    def is_paused(self, event_type: str) -> bool:
        """Whether a type is paused."""
        return self._turns.is_paused(event_type)

    async def pause(self, types: frozenset[str]) -> None:
        """Pause exactly these types and resume all others. Raises RedisError, OSError.

        A read in progress may still return deliveries of paused types: they wait here, pending and not begun.
        """
        if self._turns.pause(types):
            await self.wake()

    def silent_s(self) -> float:
        """Seconds since the current read began; 0 while waiting for a free slot."""
        return 0.0 if self._reading_since is None else time.monotonic() - self._reading_since

    def accept(self, in_flight: InFlight) -> None:
        """Begin a delivery that was taken over, at once or when a slot is free."""
        if not self.has(in_flight):
            self._surplus[in_flight.stream, in_flight.entry_id] = in_flight
            self._begin_surplus()

    def has(self, in_flight: InFlight) -> bool:
        """Whether a delivery is in flight, or waits here for a slot."""
        held = self._find((in_flight.stream, in_flight.entry_id))
        return held is not None and held.is_same_event(in_flight)

    def _find(self, delivery_id: DeliveryId) -> InFlight | None:
        return self._slots.find(delivery_id) or self._surplus.get(delivery_id)

    async def wake(self) -> None:
        """End a blocking read cleanly; a cancelled read would lose its entries on the dead connection.

        CLIENT UNBLOCK on one connection may overtake the read on the other, so it is repeated until it takes effect.
        """
        self._slots.changed.set()
        read = self._reading_since
        while read is not None and self._reading_since == read:
            if await self._control.execute_command("CLIENT", "UNBLOCK", self._client_id):
                return
            await asyncio.sleep(UNBLOCK_RETRY_S)

    async def run(self) -> None:
        """Read until stopping."""
        reconnect = Reconnect()
        recheck_at = 0.0
        while not self._stopping.is_set():
            free = self._begin_surplus()
            is_recheck_due = time.monotonic() >= recheck_at and self._turns.readable()
            if free <= 0 or not (is_recheck_due or self._turns.open()):
                await self._wait_for_slot()
                continue
            try:
                await self._connection.ready()
                if is_recheck_due or self._connections != self._connection.made:
                    self._connections = self._connection.made
                    self._client_id = await self._connection.execute_command("CLIENT", "ID")
                    await self._read_own_pending()
                    recheck_at = time.monotonic() + RECHECK_S
                    continue
                if self._slots.may_read_on():
                    await self._read_new(free)
                else:
                    await pause(self._stopping, BLOCK_MS / 1000)
                if reconnect.reset():
                    self._log.info("read_recovered")
            except FAULTS as error:
                recheck_at = 0.0
                await self._recover(error, reconnect)

    async def _wait_for_slot(self) -> None:
        # A stop sets the event too; the timeout covers threads that ended late, and types that were added meanwhile.
        await pause(self._slots.changed, 1)
        self._slots.changed.clear()

    async def _read_new(self, free: int) -> None:
        """Read at most `free` deliveries.

        A call on many streams may return more, if they are stored just then; the surplus waits here for a slot.
        """
        names, block = self._turns.next(free)
        count = max(1, free // len(names))
        reply = await self._read(count, ("BLOCK", BLOCK_MS) if block else (), names)
        if reply:
            self._turns.brought([stream.decode() for stream, entries in reply if len(entries) == count])
            await asyncio.sleep(0)  # quick handlers end now, so the next read can return as many
        elif not block:
            self._turns.was_empty()

    async def _read_own_pending(self) -> None:
        """Start own pending entries that are not in flight: their reply was lost, or they were deferred.

        Deliveries in flight from another term are compared: the entry may be another event there. Marks streams
        unusable that Redis refuses by themselves, and usable again once it accepts them.
        """
        delivery_ids, absent = await self._own_pending(list(self._turns.readable()))
        if absent:  # the group can perhaps be created there by now
            await self._lost([self.streams[name][0] for name in absent])
            delivery_ids += (await self._own_pending(absent))[0]
        self._slots.keep_deferred(set(delivery_ids))
        for delivery_id in delivery_ids:
            held = self._find(delivery_id)
            if held is None or held.term != self._connection.term:
                await self._reread(*delivery_id)

    async def _own_pending(self, names: list[str]) -> tuple[list[DeliveryId], list[str]]:
        """The consumer's own pending entries, and the unusable streams on which the group does not exist."""
        delivery_ids: list[DeliveryId] = []
        absent: list[str] = []
        commands = [("XPENDING", name, self._group, "-", "+", 1000, self._consumer) for name in names]
        for name, pending in zip(names, await self._connection.execute_all(commands), strict=True):
            if not isinstance(pending, Exception):
                self._unusable_keys.remove(name)
                delivery_ids += [(name, entry_id) for entry_id, *_ in pending]
            elif is_of_one_key(pending):
                self._unusable_keys.add(name, pending)
                self._turns.restart()
            elif refusal_code(pending) == "NOGROUP" and name in self._unusable_keys:
                absent.append(name)
            else:
                raise pending
        return delivery_ids, absent

    async def _reread(self, name: str, entry_id: bytes) -> None:
        """Begin an own pending entry unless it was settled in the meantime.

        XREADGROUP would count one more delivery, and a delivery with a high count becomes a suspect.
        """
        event_type, is_own = self.streams[name]
        member = member_prefix(event_type, self._group, is_own) + entry_id.decode()
        commands: list[Command] = [
            ("XPENDING", name, self._group, entry_id, entry_id, 1, self._consumer),
            ("XRANGE", name, entry_id, entry_id),
            ("HGET", self._keys.deaths(self._group), member),
        ]
        pending, entries, deaths = replies = await self._connection.execute_all(commands)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        for _, _, _, times_delivered in pending:
            in_flight = in_flight_of(
                name,
                event_type,
                is_own,
                self._group,
                entry_id,
                entries[0][1] if entries else [],
                term=self._connection.term,
                times_delivered=times_delivered,
                deaths=tuple((deaths or b"").decode().split()),
            )
            self.accept(in_flight)

    async def _read(self, count: int, block: tuple[str | int, ...], names: list[str]) -> Any:
        self._reading_since = time.monotonic()
        try:
            args: Command = ("COUNT", count, *block, "STREAMS", *names, *[b">"] * len(names))
            reply = await self._connection.execute_command("XREADGROUP", "GROUP", self._group, self._consumer, *args)
        finally:
            self._reading_since = None
        for stream, entries in reply or ():
            self._start(stream.decode(), entries)
        return reply or ()

    def _start(self, stream: str, entries: Iterable[tuple[bytes, list[bytes] | None]]) -> None:
        event_type, is_own = self.streams[stream]
        term = self._connection.term
        for entry_id, fields in entries:
            held = self._find((stream, entry_id))
            in_flight = in_flight_of(stream, event_type, is_own, self._group, entry_id, fields or [], term)
            if held is None or not held.is_same_event(in_flight):
                self._surplus[stream, entry_id] = in_flight
        self._begin_surplus()

    def _begin_surplus(self) -> int:
        """Begin waiting deliveries as slots allow. Returns the number of slots that stay free."""
        free = self._slots.free(self._overdue())
        if self._surplus and free > 0:
            ready = [
                delivery_id
                for delivery_id, in_flight in self._surplus.items()
                if not self._turns.is_paused(in_flight.delivery.type)
            ]
            for delivery_id in ready[:free]:
                self._begin(self._surplus.pop(delivery_id))
                free -= 1
        return free

    async def _recover(self, error: Exception, reconnect: Reconnect) -> None:
        if refusal_code(error) == "NOGROUP":
            try:
                await self._lost(self.types)
            except FAULTS as fault:
                error = fault
            else:
                return
        wait_s = reconnect.next_s()
        self._log.warning("read_failed", reason=str(error) or type(error).__name__, wait_s=round(wait_s, 2))
        await pause(self._stopping, wait_s)

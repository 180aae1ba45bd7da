"""Reads one subscription of one shard: blocking XREADGROUP for at most the free slots, a task for each delivery.

Never reads more than it can start, so that a slow subscription holds back only itself. Costs Redis one command every
two seconds when idle. Dies half-way: what was read is pending in this consumer's name and is taken over; what was
read into a connection that broke is found by reading our own pending entries again, after every error and every ten
seconds.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from redis.asyncio import Redis

from shared import entry, log
from shared.backoff import Reconnect
from shared.connection import FAULTS, refusal_code
from shared.decoding import UNDECODABLE
from shared.keys import Keys
from shared.line import Command, Line
from shared.pause import pause
from worker.delivery import Delivery, Held, member_prefix
from worker.slots import Claim, Slots

BLOCK_MS: Final = 2000
"""Longest wait for events in one call: one call in two seconds is what an idle reader costs."""
REPLY_TIMEOUT_S: Final = 3 * BLOCK_MS / 1000
"""No return in three blocks: the connection is dead (a BLOCK may return 100 ms late, a half-open socket never)."""
WAKE_AGAIN_S: Final = 0.02
"""Between two calls to end a read that has not begun in Redis yet."""
HOT_TURNS: Final = 8
"""Of so many reads, streams that have much to give get all but one for themselves. With every other one, as the event
stream shares its turn with the group's redeliveries, a backlog took a third more reads."""
RECHECK_S: Final = 10.0
"""How often our own pending entries are compared with what is in hand."""

Lost = Callable[[Iterable[str]], Awaitable[None]]


class Reader:
    """`begin` starts a delivery; `lost` makes a group anew on the streams of some types."""

    def __init__(
        self,
        line: Line,
        control: Redis,
        keys: Keys,
        group: str,
        consumer: str,
        slots: Slots,
        overdue: Callable[[], int],
        begin: Callable[[Held], None],
        lost: Lost,
        stopping: asyncio.Event,
    ) -> None:
        self._line = line
        self._control = control
        self._keys = keys
        self._group = group
        self._consumer = consumer
        self._slots = slots
        self._overdue = overdue
        self._begin = begin
        self._lost = lost
        self._stopping = stopping
        self._streams: dict[str, tuple[str, bool]] = {}
        self._paused: frozenset[str] = frozenset()
        self._hot: list[str] = []
        self._unswept: list[str] = []
        self._is_sweep_fruitful = False
        self._surplus: dict[Claim, Held] = {}
        self._turn = 0
        self._client_id = 0
        self._reading_since: float | None = None
        self._log = log.get("worker.read").bind(group=group)

    @property
    def types(self) -> list[str]:
        """The types that it reads."""
        return list(dict.fromkeys(name for name, _ in self._streams.values()))

    @property
    def streams(self) -> dict[str, tuple[str, bool]]:
        """The streams that it reads → event type, and whether it is the group's own."""
        return self._streams

    def add(self, event_type: str, *, is_paused: bool = False) -> None:
        """Read a type too, from the next call on, or from the end of its pause."""
        if is_paused:
            self._paused |= {event_type}
        self._streams[self._keys.stream(event_type)] = (event_type, False)
        self._streams[self._keys.redelivery(event_type, self._group)] = (event_type, True)
        self._is_sweep_fruitful = True  # who knows what waits there

    def is_paused(self, event_type: str) -> bool:
        """Whether deliveries of a type have to wait."""
        return event_type in self._paused

    async def pause(self, types: frozenset[str]) -> None:
        """Begin nothing of these types from now on, and what was paused before again. Raises RedisError, OSError.

        A read that is out may bring some all the same: they wait here, pending, and have not begun.
        """
        if types == self._paused:
            return
        self._paused = types
        self._hot, self._unswept, self._is_sweep_fruitful = [], [], True
        await self.wake()

    def silent_s(self) -> float:
        """Seconds that a read has been out; 0 while waiting for a free slot."""
        return 0.0 if self._reading_since is None else time.monotonic() - self._reading_since

    def accept(self, held: Held) -> None:
        """Begin a delivery that was taken over, at once or when there is a slot."""
        if not self.has(held.stream, held.entry_id):
            self._surplus[held.stream, held.entry_id] = held
            self._begin_surplus()

    def has(self, stream: str, entry_id: bytes) -> bool:
        """Whether a delivery is in hand, or waits here for a slot."""
        return self._slots.holds(stream, entry_id) or (stream, entry_id) in self._surplus

    async def wake(self) -> None:
        """End a blocking read cleanly; a cancelled one would leave its entries on the dead connection.

        What we say on one connection may overtake the read on the other, so it is said until it was of use.
        """
        self._slots.changed.set()
        read = self._reading_since
        while read is not None and self._reading_since == read:
            if await self._control.execute_command("CLIENT", "UNBLOCK", self._client_id):
                return
            await asyncio.sleep(WAKE_AGAIN_S)

    async def run(self) -> None:
        """Read until stopping."""
        reconnect = Reconnect()
        recheck_at = 0.0
        while not self._stopping.is_set():
            free = self._begin_surplus()
            if free <= 0 or not self._open():
                await self._wait_for_slot()
                continue
            try:
                if time.monotonic() >= recheck_at:
                    self._client_id = await self._line.execute_command("CLIENT", "ID")
                    await self._read_own_pending()
                    recheck_at = time.monotonic() + RECHECK_S
                    continue
                if self._slots.may_read_on():
                    await self._read_new(free)
                else:
                    await pause(self._stopping, BLOCK_MS / 1000)
                if reconnect.reset():
                    self._log.info("reading_again")
            except FAULTS as error:
                recheck_at = 0.0
                await self._recover(error, reconnect)

    async def _wait_for_slot(self) -> None:
        # A stop wakes it too; the timeout serves threads that ended late, and types that were added meanwhile.
        await pause(self._slots.changed, 1)
        self._slots.changed.clear()

    async def _read_new(self, free: int) -> None:
        """Read at most `free` deliveries. COUNT holds for each stream, so many streams are read in turns.

        Streams that filled their COUNT are read alone most of the time, so that few busy ones fill the slots. With
        more streams than slots a sweep asks part after part without waiting; only when all were empty does a call
        wait on all of them, and what it may return too much, being stored just then, waits here for a slot.
        """
        names, block = self._next(free)
        count = max(1, free // len(names))
        reply = await self._read(count, ("BLOCK", BLOCK_MS) if block else (), names)
        if reply:
            full = [stream.decode() for stream, entries in reply if len(entries) == count]
            # A pause may have come while the read was out.
            self._hot = [name for name in full if self._streams[name][0] not in self._paused]
            self._is_sweep_fruitful = True
            await asyncio.sleep(0)  # quick handlers end now, and the next read can bring as many as this one
        elif not block:
            self._hot = []

    def _next(self, free: int) -> tuple[list[str], bool]:
        """The streams to ask, and whether to wait for something there."""
        self._turn += 1
        if self._hot and self._turn % HOT_TURNS:
            return self._hot[:free], False
        names = self._open()
        if len(names) <= free:
            return names, True
        if not self._unswept and self._is_sweep_fruitful:
            self._unswept, self._is_sweep_fruitful = names[:], False
        part = self._unswept[:free]
        del self._unswept[:free]
        return (part, False) if part else (names, True)

    def _open(self) -> list[str]:
        """The streams that may be read now."""
        return [name for name, (event_type, _) in self._streams.items() if event_type not in self._paused]

    async def _read_own_pending(self) -> None:
        """Start what is pending in our name but not in hand: its reply was lost on the way, or it was put off."""
        names = self._open()
        claims: list[Claim] = []
        commands = [("XPENDING", name, self._group, "-", "+", 1000, self._consumer) for name in names]
        for name, pending in zip(names, await self._line.execute_all(commands), strict=True):
            if isinstance(pending, Exception):
                raise pending
            claims += [(name, entry_id) for entry_id, *_ in pending]
        self._slots.keep_put_off(set(claims))
        for claim in claims:
            if not self.has(*claim):
                await self._read_again(*claim)

    async def _read_again(self, name: str, entry_id: bytes) -> None:
        """Begin a pending entry of ours, if it is one still: it may have been settled since we looked.

        XREADGROUP would count it as delivered once more, and what was delivered often is suspected.
        """
        event_type, is_own = self._streams[name]
        member = member_prefix(event_type, self._group, is_own) + entry_id.decode()
        commands: list[Command] = [
            ("XPENDING", name, self._group, entry_id, entry_id, 1, self._consumer),
            ("XRANGE", name, entry_id, entry_id),
            ("HGET", self._keys.deaths(self._group), member),
        ]
        pending, entries, deaths = replies = await self._line.execute_all(commands)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        for _, _, _, times_delivered in pending:
            held = hold(
                *(name, event_type, is_own, self._group, entry_id, entries[0][1] if entries else []),
                times_delivered=times_delivered,
                deaths=tuple((deaths or b"").decode().split()),
            )
            self.accept(held)

    async def _read(self, count: int, block: tuple[str | int, ...], names: list[str]) -> Any:
        self._reading_since = time.monotonic()
        try:
            what: Command = ("COUNT", count, *block, "STREAMS", *names, *[b">"] * len(names))
            reply = await self._line.execute_command("XREADGROUP", "GROUP", self._group, self._consumer, *what)
        finally:
            self._reading_since = None
        for stream, entries in reply or ():
            self._start(stream.decode(), entries)
        return reply or ()

    def _start(self, stream: str, entries: Iterable[tuple[bytes, list[bytes] | None]]) -> None:
        event_type, is_own = self._streams[stream]
        for entry_id, fields in entries:
            if not self.has(stream, entry_id):
                held = hold(stream, event_type, is_own, self._group, entry_id, fields or [])
                self._surplus[stream, entry_id] = held
        self._begin_surplus()

    def _begin_surplus(self) -> int:
        """Begin what was read, as slots allow; how many are free then."""
        free = self._slots.free(self._overdue())
        if self._surplus and free > 0:
            ready = [claim for claim, held in self._surplus.items() if held.delivery.type not in self._paused]
            for claim in ready[:free]:
                self._begin(self._surplus.pop(claim))
                free -= 1
        return free

    async def _recover(self, error: Exception, reconnect: Reconnect) -> None:
        if refusal_code(error) == "NOGROUP":
            try:
                await self._lost(self.types)
            except FAULTS as again:
                error = again
            else:
                return
        wait_s = reconnect.next_s()
        self._log.warning("read_failed", reason=str(error) or type(error).__name__, wait_s=round(wait_s, 2))
        await pause(self._stopping, wait_s)


def hold(
    stream: str, event_type: str, is_own: bool, group: str, entry_id: bytes, fields: list[bytes], **known: Any
) -> Held:
    """A delivery out of a stream entry. One that hookbus did not write has a flaw, and its fields for a body."""
    try:
        found = entry.parse(fields)
    except (KeyError, *UNDECODABLE) as error:
        known["flaw"] = f"no entry of hookbus's: {type(error).__name__}: {error}"
        stored_ms = int(entry_id.partition(b"-")[0])
        found = entry.Entry(f"foreign-{entry_id.decode()}", "", stored_ms, b"\n".join(fields))
    delivery = Delivery(
        *(found.webhook_id, found.source, event_type, group),
        *(found.attempt, found.received_at_ms, found.body, found.is_replay),
    )
    return Held(stream, entry_id, is_own, found, delivery, **known)

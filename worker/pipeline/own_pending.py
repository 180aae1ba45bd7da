"""Finds entries that are pending for this consumer and not in flight: their reply was lost, or they were deferred.

The same look tells which streams Redis refuses by themselves, and which of these it accepts again. It costs one
XPENDING a stream, in one round trip, and two reads for each delivery found.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from ...shared.connection import refusal_code
from ...shared.keys import Keys
from ...shared.raw_connection import Command, RawConnection
from ..api.delivery import InFlight, member_prefix
from .in_flight import in_flight_of
from .sources import Source
from .unusable_keys import UnusableKeys, is_of_one_key

AT_ONCE: Final = 1000
"""Entries of one stream found by one look: more than a subscription has in flight by default."""

Lost = Callable[[Iterable[str]], Awaitable[None]]
"""Recreates the group on the streams of some types."""


class OwnPending:
    """The pending entries of one consumer of a group, in one shard, asked on the connection of its reader."""

    def __init__(
        self,
        *,
        connection: RawConnection,
        keys: Keys,
        group: str,
        consumer: str,
        lost: Lost,
        unusable_keys: UnusableKeys,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._group = group
        self._consumer = consumer
        self._lost = lost
        self._unusable_keys = unusable_keys

    async def begin(self, sources: Sequence[Source]) -> None:
        """Begin what is pending in some streams and not in flight. Raises RedisError, OSError.

        Deliveries in flight from another term are compared: the entry may be another event there.
        """
        if not sources:
            return
        found, absent = await self._ids(sources)
        if absent:  # the group can perhaps be created there by now
            await self._lost([source.event_type for source in absent])
            found += (await self._ids(absent))[0]
        streams = {source.name for source in sources}
        pending = {(source.name, entry_id) for source, entry_id in found}
        for subscriber in {source.subscriber for source in sources}:
            subscriber.slots.keep_deferred(pending, streams)
        for source, entry_id in found:
            held = source.subscriber.find((source.name, entry_id))
            if held is None or held.term != self._connection.term:
                await self._reread(source, entry_id)

    async def _ids(self, sources: Sequence[Source]) -> tuple[list[tuple[Source, bytes]], list[Source]]:
        """The consumer's own pending entries, and the unusable streams on which the group does not exist."""
        found: list[tuple[Source, bytes]] = []
        absent: list[Source] = []
        commands: list[Command] = [
            ("XPENDING", source.name, self._group, "-", "+", AT_ONCE, self._consumer) for source in sources
        ]
        for source, pending in zip(sources, await self._connection.execute_all(commands), strict=True):
            if not isinstance(pending, Exception):
                self._unusable_keys.remove(source.name)
                found += [(source, entry_id) for entry_id, *_ in pending]
            elif is_of_one_key(pending):
                self._unusable_keys.add(source.name, pending)
            elif refusal_code(pending) == "NOGROUP" and source.is_own:
                self._unusable_keys.remove(source.name)  # it is gone, as the next read finds
            elif refusal_code(pending) == "NOGROUP" and source.name in self._unusable_keys:
                absent.append(source)
            else:
                raise pending
        return found, absent

    async def _reread(self, source: Source, entry_id: bytes) -> None:
        """Begin an own pending entry unless it was settled in the meantime.

        XREADGROUP would count one more delivery, and a delivery with a high count becomes a suspect.
        """
        member = member_prefix(source.event_type, self._group, source.is_own) + entry_id.decode()
        commands: list[Command] = [
            ("XPENDING", source.name, self._group, entry_id, entry_id, 1, self._consumer),
            ("XRANGE", source.name, entry_id, entry_id),
            ("HGET", self._keys.deaths(self._group), member),
        ]
        pending, entries, deaths = replies = await self._connection.execute_all(commands)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        for _, _, _, times_delivered in pending:
            in_flight = self._in_flight_of(source, entry_id, entries, deaths, times_delivered)
            source.subscriber.accept(in_flight)

    def _in_flight_of(
        self,
        source: Source,
        entry_id: bytes,
        entries: Sequence[tuple[bytes, list[bytes]]],
        deaths: bytes | None,
        times_delivered: int,
    ) -> InFlight:
        return in_flight_of(
            source.name,
            source.event_type,
            source.is_own,
            self._group,
            entry_id,
            entries[0][1] if entries else [],
            term=self._connection.term,
            times_delivered=times_delivered,
            deaths=tuple((deaths or b"").decode().split()),
        )

"""Finds entries that are pending for this consumer and not in flight: their reply was lost, or they were deferred.

The same look tells which streams Redis refuses by themselves, and which of these it accepts again. It costs one
XPENDING a stream, in one round trip, and two reads for each delivery found.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from ...shared.connection import refusal_code
from ...shared.raw_connection import Command, RawConnection
from .group_context import GroupContext
from .read_streams import ReadStream

AT_ONCE: Final = 1000
"""Entries of one stream found by one look: more than a subscription has in flight by default."""

Lost = Callable[[Iterable[str]], Awaitable[None]]
"""Recreates the group on the streams of some types."""


class OwnPending:
    """The pending entries of one consumer of a group, in one shard, asked on `connection`, that of its reader."""

    def __init__(self, here: GroupContext, connection: RawConnection, lost: Lost) -> None:
        self._here = here
        self._connection = connection
        self._lost = lost

    async def begin(self, streams: Sequence[ReadStream]) -> None:
        """Begin what is pending in some streams and not in flight. Raises RedisError, OSError.

        Deliveries in flight from another term are compared: the entry may be another event there.
        """
        if not streams:
            return
        found, absent = await self._ids(streams)
        if absent:  # the group can perhaps be created there by now
            await self._lost([stream.event_type for stream in absent])
            found += (await self._ids(absent))[0]
        names = {stream.name for stream in streams}
        pending = {(stream.name, entry_id) for stream, entry_id in found}
        for subscriber in {stream.subscriber for stream in streams}:
            subscriber.slots.keep_deferred(pending, names)
        for stream, entry_id in found:
            held = stream.subscriber.find((stream.name, entry_id))
            if held is None or held.term != self._connection.term:
                await self._reread(stream, entry_id)

    async def _ids(self, streams: Sequence[ReadStream]) -> tuple[list[tuple[ReadStream, bytes]], list[ReadStream]]:
        """The consumer's own pending entries, and the unusable streams on which the group does not exist."""
        found: list[tuple[ReadStream, bytes]] = []
        absent: list[ReadStream] = []
        group, consumer, unusable_keys = self._here.group, self._here.consumer, self._here.unusable_keys
        commands: list[Command] = [("XPENDING", each.name, group, "-", "+", AT_ONCE, consumer) for each in streams]
        for stream, pending in zip(streams, await self._connection.execute_all(commands), strict=True):
            is_absent = _tells_of_no_group(pending)
            if is_absent and stream.is_own:
                unusable_keys.remove(stream.name)  # it is gone, as the next read finds
            elif is_absent and stream.name in unusable_keys:
                absent.append(stream)
            elif unusable_keys.accepts(stream.name, pending):
                found += [(stream, entry_id) for entry_id, *_ in pending]
        return found, absent

    async def _reread(self, stream: ReadStream, entry_id: bytes) -> None:
        """Begin an own pending entry unless it was settled in the meantime.

        XREADGROUP would count one more delivery, and a delivery with a high count becomes a suspect.
        """
        group = self._here.group
        commands: list[Command] = [
            ("XPENDING", stream.name, group, entry_id, entry_id, 1, self._here.consumer),
            ("XRANGE", stream.name, entry_id, entry_id),
            ("HGET", self._here.keys.deaths(group), stream.member_prefix + entry_id.decode()),
        ]
        pending, entries, deaths = replies = await self._connection.execute_all(commands)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        fields = entries[0][1] if entries else []
        died = tuple((deaths or b"").decode().split())
        for _, _, _, times_delivered in pending:
            stream.subscriber.accept(
                stream.in_flight(entry_id, fields, self._connection.term, times_delivered=times_delivered, deaths=died)
            )


def _tells_of_no_group(reply: Any) -> bool:
    return isinstance(reply, Exception) and refusal_code(reply) == "NOGROUP"

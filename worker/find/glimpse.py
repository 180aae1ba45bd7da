"""What a group holds of one event, in one atomic look: a delivery moves on at any moment, and must not be missed.

A retry that is due leaves the parked ones for the redelivery stream, and may be back a millisecond later. Looked at one
after the other, it could be in neither, and would be taken for handled. So the first part of each is read within one
MULTI, which is all there is for nearly every group; of what is larger, the rest is read afterwards, and all of it once
more if nothing was found.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from ...shared.connection import Redis
from ...shared.pipelined import execute_all
from ...shared.raw_connection import Command
from ..inventory.lag import pairs
from ..pipeline import recovered
from ..pipeline.recovered import Recovered
from . import shelves
from .life import Subject
from .shelves import Held, Sought


class Pending(NamedTuple):
    """Who holds a delivery, for how long, and how often it was delivered before a takeover."""

    consumer: str
    idle_ms: int
    times_delivered: int


class Glimpse(msgspec.Struct):
    """What was found. `recovered`: how it was handled after failures, if that is remembered. `position`: id of the last
    event of its stream that the group received, None if the group is not on it. `left_out`: how much was not looked
    through; `is_decided`: there can be no delivery of the event that nothing else tells of."""

    held: list[Held] = msgspec.field(default_factory=list)
    recovered: Recovered | None = None
    pending: Pending | None = None
    position: str | None = None
    left_out: int = 0
    is_decided: bool = True
    errors: dict[str, str] = msgspec.field(default_factory=dict)
    was_at_once: bool = True

    @property
    def is_empty(self) -> bool:
        """Whether no delivery was found: the group has handled the event if it received it."""
        return not self.held and self.pending is None


async def look(client: Redis, subject: Subject, group: str, types: Sequence[str], most: int) -> Glimpse:
    """`types`: of the redelivery streams to read; `most`: how many records of each kind to look through. Raises
    RedisError, OSError."""
    glimpse = await _look(client, subject, group, types, most)
    if glimpse.is_empty and not glimpse.was_at_once:
        glimpse = await _look(client, subject, group, types, most)
    return glimpse


async def _look(client: Redis, subject: Subject, group: str, types: Sequence[str], most: int) -> Glimpse:
    glimpse, place = Glimpse(), subject.place
    unread = shelves.of_group(subject.keys, group, types, Sought(subject.webhook_id))
    commands = [shelf.command() for shelf in unread]
    name = recovered.name_of(subject.source, subject.webhook_id)
    commands.append(("HGET", subject.keys.recovered_data(group), name))
    if place:
        commands += [("XINFO", "GROUPS", place.key), ("XPENDING", place.key, group, place.entry_id, place.entry_id, 1)]
    replies = await _at_once(client, commands)
    if place:
        _read_position(glimpse, replies[-2], replies[-1], group)
    glimpse.recovered = _recovered(replies[len(unread)])
    held = shelves.take(unread, replies[: len(unread)], glimpse.errors)
    unread = [shelf for shelf in unread if not shelf.is_done]
    glimpse.was_at_once = not any(shelf.is_decisive for shelf in unread)
    while going := [shelf for shelf in unread if not shelf.is_done and shelf.seen < most]:
        replies = await execute_all(client, [shelf.command() for shelf in going], raises=False)
        held += shelves.take(going, replies, glimpse.errors)
    unread = [shelf for shelf in unread if not shelf.is_done]
    glimpse.left_out = await shelves.left_out(client, unread)
    glimpse.is_decided = not any(shelf.is_decisive for shelf in unread)
    # Two sources may use the same id. HSCAN may return a record twice.
    own = {each.identity: each for each in held if each.entry.source == subject.source}
    glimpse.held = list(own.values())
    return glimpse


def _read_position(glimpse: Glimpse, groups: Any, pending: Any, group: str) -> None:
    if isinstance(groups, list):  # else the stream is gone since
        for info in map(pairs, groups):
            if info["name"].decode() == group:
                glimpse.position = info["last-delivered-id"].decode()
    glimpse.pending = pending_of(pending)


def _recovered(reply: Any) -> Recovered | None:
    """The record of a recovered delivery. One that cannot be read tells nothing, and hides nothing."""
    try:
        return recovered.decode(reply) if isinstance(reply, bytes) else None
    except msgspec.MsgspecError:
        return None


def pending_of(reply: Any) -> Pending | None:
    """Who holds an entry, from the reply of XPENDING for it alone; None for nobody, and where the stream is gone."""
    if not isinstance(reply, list) or not reply:
        return None
    _, consumer, idle_ms, times_delivered = reply[0]
    return Pending(consumer.decode(), idle_ms, times_delivered)


async def _at_once(client: Redis, commands: Sequence[Command]) -> list[Any]:
    """The replies of one MULTI, with the error of a refused command in its place. Raises RedisError, OSError."""
    pipeline = client.pipeline(transaction=True)
    for command in commands:
        pipeline.execute_command(*command)
    return list(await pipeline.execute(raise_on_error=False))

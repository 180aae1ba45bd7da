"""Remembers the position of a group in its streams, in case the group vanishes there.

After a manual XGROUP DESTROY the group is created again. At its original start it would receive all history once more;
at the last position it receives the events unhandled by then. Runs every half minute and costs two commands per stored
type. Positions are kept in this process only: a process started after the loss uses the original start. So does a group
that vanished with its server: the ids of another server may begin below the position if its clock is behind.

A position that steps back is logged as data loss: only a Redis with older data or an operator causes that.
"""

from collections.abc import Iterable
from typing import Any, Final

from ...shared import log
from ...shared.connection import FAULTS
from ...shared.pause import pause
from ...shared.pipelined import execute_all
from ...shared.wire import replication_id
from ..inventory.lag import pairs
from ..pipeline.group_context import GroupContext
from .look import Lookout
from .membership import Membership, parts_of

INTERVAL_S: Final = 30.0
"""After a loss, events handled since the last run are delivered once more."""


class Positions:
    """The positions of one group in one shard."""

    def __init__(self, here: GroupContext, lookout: Lookout, membership: Membership) -> None:
        self._here = here
        self._lookout = lookout
        self._membership = membership

    async def run(self) -> None:
        """Fetch the positions until stopping."""
        while not self._here.stopping.is_set():
            try:
                await self.fetch()
            except FAULTS as error:
                log.get("worker.position").debug("positions_unknown", reason=str(error))
            await pause(self._here.stopping, INTERVAL_S)

    async def fetch(self) -> None:
        """Record the current positions. Raises RedisError, OSError."""
        types = sorted(self._lookout.last.types & self._membership.joined)
        streams = [self._here.keys.stream(name) for name in types]
        # In this order: an entry delivered between XINFO and XPENDING shows as pending.
        commands: list[tuple[str, ...]] = [("INFO", "replication")]
        for stream in streams:
            commands += [("XINFO", "GROUPS", stream), ("XPENDING", stream, self._here.group)]
        info, *replies = await execute_all(self._here.client, commands, raises=False)
        positions = {
            name: position
            for name, groups, pending in zip(types, replies[::2], replies[1::2], strict=True)
            if not isinstance(groups, Exception) and not isinstance(pending, Exception)
            if (position := position_of(self._here.group, groups, pending))
        }
        self._membership.record(positions, "" if isinstance(info, Exception) else replication_id(info))


def position_of(group: str, groups: Iterable[Any], pending: Any) -> str:
    """The id up to which everything was handled, from the replies of XINFO GROUPS and XPENDING.

    "" if the group does not exist.
    """
    for flat in groups:
        fields = pairs(flat)
        if fields["name"] == group.encode():
            delivered: str = fields["last-delivered-id"].decode()
            unhandled = "" if pending[1] is None else before(pending[1].decode())
            return min(delivered, unhandled or delivered, key=parts_of)
    return ""


def before(entry_id: str) -> str:
    """The greatest id below `entry_id`."""
    ms, sequence = parts_of(entry_id)
    return f"{ms}-{sequence - 1}" if sequence else f"{max(0, ms - 1)}-{2**64 - 1 if ms else 0}"

"""Remembers how far a group is in its streams, for the day that its place there vanishes.

After an XGROUP DESTROY by hand the group is made anew. From its birth on it would get all history again; from the
position that was seen last it gets what nobody had handled then. Looks every half minute, at the cost of two commands a
seen type. Known to this process alone: one that starts after the loss goes back to the birth. So does a group that
vanished with its server: another server's ids may begin below the position, by a clock that is behind.

A position that steps back is logged as data loss: only a Redis with older data does that, or a person.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from ...shared import log
from ...shared.connection import FAULTS, Redis
from ...shared.keys import Keys
from ...shared.pause import pause
from ...shared.pipelined import execute_all
from ...shared.wire import replication_id
from .membership import Membership

INTERVAL_S: Final = 30.0
"""What was handled since the last look comes once more."""


class Positions:
    """Those of one group in one shard."""

    def __init__(self, client: Redis, keys: Keys, group: str, membership: Membership, stopping: asyncio.Event) -> None:
        self._client = client
        self._keys = keys
        self._group = group
        self._membership = membership
        self._stopping = stopping

    async def run(self) -> None:
        """Look until stopping."""
        while not self._stopping.is_set():
            try:
                await self.fetch()
            except FAULTS as error:
                log.get("worker.position").debug("positions_unknown", reason=str(error))
            await pause(self._stopping, INTERVAL_S)

    async def fetch(self) -> None:
        """Note the positions of now. Raises RedisError, OSError."""
        types = sorted(await self._membership.types() & self._membership.joined)
        streams = [self._keys.stream(name) for name in types]
        # In this order: what is delivered between XINFO and XPENDING is pending in the second.
        commands: list[tuple[str, ...]] = [("INFO", "replication")]
        for stream in streams:
            commands += [("XINFO", "GROUPS", stream), ("XPENDING", stream, self._group)]
        info, *replies = await execute_all(self._client, commands, raises=False)
        self._membership.note_history("" if isinstance(info, Exception) else replication_id(info))
        back: list[str] = []
        for name, groups, pending in zip(types, replies[::2], replies[1::2], strict=True):
            if not isinstance(groups, Exception) and not isinstance(pending, Exception):
                position = position_of(self._group, groups, pending)
                if position and parts_of(position) < parts_of(self._membership.position(name)):
                    back.append(name)
                self._membership.note_position(name, position)
        if back:
            self._membership.report_step_back(back)


def position_of(group: str, groups: Iterable[Any], pending: Any) -> str:
    """The id that everything up to was handled, of XINFO GROUPS and XPENDING; "" where the group has no place."""
    for flat in groups:
        found = dict(zip(flat[::2], flat[1::2], strict=True))
        if found[b"name"] == group.encode():
            delivered: str = found[b"last-delivered-id"].decode()
            unhandled = "" if pending[1] is None else before(pending[1].decode())
            return min(delivered, unhandled or delivered, key=parts_of)
    return ""


def before(entry_id: str) -> str:
    """The greatest id below another."""
    ms, sequence = parts_of(entry_id)
    return f"{ms}-{sequence - 1}" if sequence else f"{max(0, ms - 1)}-{2**64 - 1 if ms else 0}"


def parts_of(entry_id: str) -> tuple[int, int]:
    """Milliseconds and sequence number, for comparing."""
    ms, _, sequence = entry_id.partition("-")
    return int(ms), int(sequence or 0)

"""The lag of consumer groups: one value per group and stream, from replies of Redis. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ...shared.patterns import patterns_of
from ...shared.raw_connection import Command

MAX_COUNTED: Final = 1000
"""Entries counted one by one where Redis reports no lag; with small events about a megabyte."""


class GroupLag(msgspec.Struct, frozen=True):
    """A group's position on one stream. `lag` is None where Redis reports none. `is_own`: it is a redelivery stream."""

    stream: str
    event_type: str
    group: str
    is_own: bool
    length: int
    pending: int
    last_delivered: str
    lag: int | None
    is_missing: bool = False

    @property
    def backlog(self) -> int | None:
        """Entries that were never delivered; None when they must be counted."""
        if self.lag is None and self.is_own:
            # Handled entries are deleted from a redelivery stream, so entries that are not pending were not delivered.
            return max(0, self.length - self.pending)
        # The lag of Redis includes entries that were trimmed before the group read them.
        return None if self.lag is None else min(self.lag, self.length)

    def commands(self) -> list[Command]:
        """The commands that read its oldest pending entry, if any, and its first undelivered ones, if any."""
        commands: list[Command] = []
        if self.pending:
            commands.append(("XPENDING", self.stream, self.group, "-", "+", 1))
        if self.backlog != 0:
            count = MAX_COUNTED if self.backlog is None else 1
            commands.append(("XRANGE", self.stream, f"({self.last_delivered}", "+", "COUNT", count))
        return commands


def of_stream(stream: str, event_type: str, own: str, length: int, groups: Sequence[Any]) -> list[GroupLag]:
    """The groups on a stream. A redelivery stream counts for its group even where the group is missing on it."""
    lags = []
    for flat in groups:
        info = pairs(flat)
        name = info["name"].decode()
        if own in ("", name):
            last = info["last-delivered-id"].decode()
            lags.append(GroupLag(stream, event_type, name, bool(own), length, info["pending"], last, info.get("lag")))
    if own and not lags and length:
        lags.append(GroupLag(stream, event_type, own, True, length, 0, "0-0", length, is_missing=True))
    return lags


def absent(
    stream: str,
    event_type: str,
    length: int,
    existing: set[str],
    registered: tuple[Mapping[str, bytes], Mapping[str, bytes]],
) -> list[GroupLag]:
    """The groups that subscribe to a type but are not on its stream: no worker of theirs ran since its first event.

    `registered`: group → its start id, and group → its patterns.
    """
    starts, subscribed = registered
    covering = set(patterns_of(event_type))
    return [
        GroupLag(stream, event_type, name, False, length, 0, starts[name].decode(), None, is_missing=True)
        for name, patterns in subscribed.items()
        if name in starts and name not in existing
        if not covering.isdisjoint(patterns.decode().split())
    ]


def pairs(flat: Sequence[Any]) -> Mapping[str, Any]:
    """Convert a flat list of names and values to a mapping."""
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}

"""Where consumer groups stand on streams: one place for each group and stream, from what Redis says. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..pipeline.routes import patterns_of
from .registry import Command

MAX_COUNTED: Final = 1000
"""Entries counted one by one where Redis has lost count; with thin events about a megabyte."""


@dataclass(frozen=True, slots=True)
class GroupLag:
    """A group's place on one stream. `lag` is None where Redis has lost count."""

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
        """Entries never delivered; None when that takes counting."""
        if self.lag is None and self.is_own:
            # What is handled is deleted from a group's own stream, so what is not pending was not delivered.
            return max(0, self.length - self.pending)
        # Redis goes on counting what was trimmed before the group read it.
        return None if self.lag is None else min(self.lag, self.length)

    def commands(self) -> list[Command]:
        """What finds its oldest pending entry, if any, and its first undelivered ones, if any."""
        commands: list[Command] = []
        if self.pending:
            commands.append(("XPENDING", self.stream, self.group, "-", "+", 1))
        if self.backlog != 0:
            count = MAX_COUNTED if self.backlog is None else 1
            commands.append(("XRANGE", self.stream, f"({self.last_delivered}", "+", "COUNT", count))
        return commands


def of_stream(stream: str, event_type: str, own: str, length: int, groups: Sequence[Any]) -> list[GroupLag]:
    """The groups on a stream; a group's own stream counts for it even where the group is missing."""
    found = []
    for flat in groups:
        info = pairs(flat)
        name = info["name"].decode()
        if own in ("", name):
            last = info["last-delivered-id"].decode()
            found.append(GroupLag(stream, event_type, name, bool(own), length, info["pending"], last, info.get("lag")))
    if own and not found and length:
        found.append(GroupLag(stream, event_type, own, True, length, 0, "0-0", length, is_missing=True))
    return found


def coming(
    stream: str,
    event_type: str,
    length: int,
    there: set[str],
    told: tuple[Mapping[str, bytes], Mapping[str, bytes]],
) -> list[GroupLag]:
    """The groups that subscribe to a type, but whose workers did not run since it came up."""
    starts, subscribed = told
    covering = set(patterns_of(event_type))
    return [
        GroupLag(stream, event_type, name, False, length, 0, starts[name].decode(), None, is_missing=True)
        for name, patterns in subscribed.items()
        if name in starts and name not in there
        if not covering.isdisjoint(patterns.decode().split())
    ]


def pairs(flat: Sequence[Any]) -> Mapping[str, Any]:
    """A flat list of names and values as a mapping."""
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}

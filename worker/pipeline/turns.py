"""Selects the streams of a subscription for the next read. Pure: no Redis in here.

COUNT of XREADGROUP applies to each stream, so many streams are read in turns. Streams that filled their COUNT are read
alone most of the time, so that a few busy ones can fill the slots. With more streams than slots, a sweep reads one part
after another without blocking; only when all were empty does a call block on all of them.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from .unusable_keys import UnusableKeys

HOT_TURNS: Final = 8
"""Out of so many reads, busy streams get all but one to themselves. With every other read instead (the event stream
shares its turn with the group's redeliveries) a backlog took a third more reads."""


class Turns:
    """The streams of one subscription in one shard; those in `unusable_keys` are skipped."""

    def __init__(self, unusable_keys: UnusableKeys) -> None:
        self.streams: dict[str, tuple[str, bool]] = {}
        """Stream → event type, and whether it is the group's own redelivery stream."""
        self._unusable_keys = unusable_keys
        self._paused: frozenset[str] = frozenset()
        self._readable: list[str] | None = []
        self._hot: list[str] = []
        self._unswept: list[str] = []
        self._is_sweep_fruitful = False
        self._turn = 0

    def add(self, streams: Mapping[str, tuple[str, bool]], paused: Iterable[str]) -> None:
        """Read more streams; some of their types may be paused."""
        self._paused = self._paused.union(paused)
        self.streams.update(streams)
        self._readable = None
        self._is_sweep_fruitful = True  # the new streams may hold entries

    def pause(self, types: frozenset[str]) -> bool:
        """Pause exactly these types and resume all others. Returns whether that changes anything."""
        if types == self._paused:
            return False
        self._paused = types
        self.restart()
        return True

    def is_paused(self, event_type: str) -> bool:
        """Whether a type is paused."""
        return event_type in self._paused

    def restart(self) -> None:
        """Start a new sweep and forget which streams were busy: the set of readable streams may have changed."""
        self._readable, self._hot, self._unswept, self._is_sweep_fruitful = None, [], [], True

    def readable(self) -> list[str]:
        """The streams whose types are not paused."""
        if self._readable is None:
            paused = self._paused
            self._readable = [name for name, (event_type, _) in self.streams.items() if event_type not in paused]
        return self._readable

    def open(self) -> list[str]:
        """The streams that may be read now."""
        return (
            [name for name in self.readable() if name not in self._unusable_keys]
            if self._unusable_keys
            else self.readable()
        )

    def next(self, free: int) -> tuple[list[str], bool]:
        """The streams to read for `free` slots, and whether to block until an entry arrives."""
        self._turn += 1
        if self._hot and self._turn % HOT_TURNS:
            return self._hot[:free], False
        names = self.open()
        if len(names) <= free:
            return names, True
        if not self._unswept and self._is_sweep_fruitful:
            self._unswept, self._is_sweep_fruitful = names[:], False
        part = self._unswept[:free]
        del self._unswept[:free]
        return (part, False) if part else (names, True)

    def brought(self, full: list[str]) -> None:
        """A read returned entries; `full` are the streams that may have more."""
        # A type may have been paused during the read.
        self._hot = [name for name in full if self.streams[name][0] not in self._paused]
        self._is_sweep_fruitful = True

    def was_empty(self) -> None:
        """A read without blocking returned nothing."""
        self._hot = []

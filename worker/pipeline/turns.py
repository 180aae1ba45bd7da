"""Selects the streams of one subscription, in one shard, for the next read. Pure: no Redis and no clock in here.

COUNT of XREADGROUP applies to each stream, so a read of more streams than there are places may bring too much. As long
as entries come, such a subscription is therefore read in parts, one after another. Once all its streams were empty, it
may wait on all of them at once.
"""

from collections import deque
from collections.abc import Collection


class Turns:
    """The streams that may be read, in the order of their turns."""

    def __init__(self) -> None:
        self._order: deque[str] = deque()
        self._empty = 0
        """How many streams brought nothing when they were read last."""
        self._full: list[str] = []
        """Streams that brought all that was asked for: they may have more."""

    @property
    def streams(self) -> Collection[str]:
        """All of them."""
        return self._order

    def set(self, streams: Collection[str]) -> None:
        """Read exactly these streams from now on. New ones may hold entries, so it is their turn."""
        wanted, known = set(streams), set(self._order)
        if wanted == known:
            return
        new = [name for name in streams if name not in known]
        self._order = deque([*new, *(name for name in self._order if name in wanted)])
        self._empty = min(self._empty, len(self._order) - len(new))
        self._full = [name for name in self._full if name in wanted]

    @property
    def is_idle(self) -> bool:
        """Whether all streams were empty when they were read last."""
        return self._empty >= len(self._order)

    def is_busy(self, places: int) -> bool:
        """Whether to read parts without waiting: there are entries, or too few places for a read of all streams."""
        return bool(self._full) or (places < len(self._order) and not self.is_idle)

    def next(self, places: int, *, is_sweep: bool) -> list[str]:
        """At most `places` streams: those that may have more, in a sweep those whose turn it is."""
        if self._full and not is_sweep:
            return self._full[:places]
        part = list(self._order)[:places]
        self._order.rotate(-len(part))
        return part

    def answered(self, asked: Collection[str], brought: Collection[str], full: Collection[str]) -> None:
        """A read of some streams is over: some brought entries, and of these some all that was asked for."""
        # Those not asked stay as they were: a lone entry asks for no sweep of a thousand empty streams.
        self._empty = min(self._empty, len(self._order) - len(brought)) if brought else self._empty + len(asked)
        # The others first: with fewer places than busy streams, each has its turn.
        self._full = [name for name in self._full if name not in asked]
        self._full += [name for name in full if name in self._order]  # a type may have been paused during the read

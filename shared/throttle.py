"""Bounds how often a line is logged."""

import time


class Throttle:
    """Lets some lines of a kind through each second, so that a client that can cause them can't fill a disk."""

    def __init__(self, per_second: int = 5) -> None:
        self._per_second = per_second
        self._second = 0
        self._counts: dict[str, int] = {}
        self._suppressed: dict[str, int] = {}

    def suppressed(self, kind: str) -> int | None:
        """None if this line must be suppressed; else how many of its kind were suppressed since the last one written.

        `kind` must come from a fixed set: each is kept in memory.
        """
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._counts = second, {}
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if self._counts[kind] > self._per_second:
            self._suppressed[kind] = self._suppressed.get(kind, 0) + 1
            return None
        return self._suppressed.pop(kind, 0)

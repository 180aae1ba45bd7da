"""Divides the free places of a subscription among the readers of its shards: each in turn, and no place twice."""

from collections.abc import Callable, Hashable


class Places:
    """`free` returns how many deliveries may begin; `notify` tells all readers that there may be places."""

    def __init__(self, free: Callable[[], int], notify: Callable[[], None]) -> None:
        self._free = free
        self._notify = notify
        self._reserved = 0
        self._queue: list[Hashable] = []

    def free(self) -> int:
        """Places that no read is about to fill."""
        return self._free() - self._reserved

    def offer(self, reader: Hashable) -> int:
        """The places that a reader may fill now. One that found none comes before all others next time."""
        free = self.free()
        if reader not in self._queue:
            others = free - len(self._queue)
            if others <= 0:
                self._queue.append(reader)
            return max(0, others)
        if self._queue.index(reader) >= free:
            return 0
        share = -(-free // len(self._queue))
        self._queue.remove(reader)
        return share

    def withdraw(self, reader: Hashable) -> None:
        """A reader cannot read for now: the others do not wait for it."""
        if reader in self._queue:
            self._queue.remove(reader)

    def reserve(self, places: int) -> None:
        """A read is about to fill so many places."""
        self._reserved += places

    def release(self, places: int) -> None:
        """A read for so many places is over, and what it brought has begun."""
        self._reserved -= places
        if self._queue:
            self._notify()

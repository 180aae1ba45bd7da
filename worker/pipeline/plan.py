"""Decides what a reader asks Redis next, for all subscriptions of a group in one shard. Pure: no Redis and no clock.

A calm subscription waits for entries: one blocking read covers the streams of all calm ones. While a subscription is
busy, its streams are read without blocking, as often as it has places; all others are asked now and then meanwhile, so
that no stream starves. Redis runs a blocked read over all its streams again for each entry in one of them. Therefore,
where there are many streams, those that brought something lately are read apart from the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .turns import Turns

BLOCK_MS: Final = 2000
"""Longest wait for events in one call: an idle reader costs one call every two seconds."""
WIDE_S: Final = 0.01
"""Shortest time between two reads of all streams. With a backlog in one of two streams, such a read brings half as many
entries as the next one: every millisecond it was every second read."""
WIDE_S_PER_STREAM: Final = 0.0001
"""A read costs Redis up to 0.3 µs a stream (measured), so all readers of 100 busy workers take a third of its time."""
MANY: Final = 64
"""Streams from which on busy ones are read apart: a read of 22 costs Redis 1.2 times as much as one of 2, of 122
streams 1.9 times (measured)."""
WARM_S: Final = 0.5
"""How long a stream is read apart from the rest after its last entry. A read of the rest every 0.1 s costs as much as
blocking on it for each of four events a second."""

Offer = tuple[Turns, int]
"""A subscription, and how many places it has for this reader."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One XREADGROUP: the streams of each subscription, COUNT, and BLOCK in ms; 0 to return at once.

    `fills`: how many places of a busy subscription it will fill; 0 if it probably brings nothing.
    """

    parts: Sequence[tuple[Turns, Sequence[str]]]
    count: int
    block_ms: int = 0
    fills: int = 0

    @property
    def streams(self) -> list[str]:
        """The streams of all parts."""
        return [name for _, names in self.parts for name in names]


class Plan:
    """The state of one reader. Times are those of `time.monotonic`."""

    def __init__(self) -> None:
        self.wide_at_s = 0.0
        """When all streams may be read again."""
        self._warm: set[str] = set()
        self._warm_until_s = 0.0

    def next(self, offers: Sequence[Offer], now_s: float, *, is_more_left_out: bool) -> list[Ask]:
        """What to ask now, in one round trip; nothing until a place is free, or until `wide_at_s`.

        `is_more_left_out`: a subscription without a place has more to read. It mostly gets one within a millisecond,
        which would end a blocking read of the others at once.
        """
        is_due = now_s >= self.wide_at_s
        busy = [(turns, places) for turns, places in offers if turns.is_busy(places)]
        calm = [(turns, places) for turns, places in offers if not turns.is_busy(places)]
        if not busy:
            return [] if not calm or (is_more_left_out and not is_due) else [self._waiting(calm, now_s)]
        asks = []
        for turns, places in busy:
            names = turns.next(places, is_sweep=is_due)
            count = places // len(names)
            asks.append(Ask([(turns, names)], count, fills=count * len(names)))
        if is_due:
            asks += [_all(calm, 0)] if calm else []
            self._was_wide(sum(len(ask.streams) for ask in asks), now_s)
        return asks

    def brought(self, streams: Sequence[str], now_s: float) -> None:
        """These streams brought entries."""
        self._warm.update(streams)
        self._warm_until_s = now_s + WARM_S

    def _waiting(self, calm: Sequence[Offer], now_s: float) -> Ask:
        everything = _all(calm, BLOCK_MS)
        size = len(everything.streams)
        if size <= MANY or now_s >= self._warm_until_s:
            self._warm.clear()
            self._was_wide(size, now_s)
            return everything
        if now_s >= self.wide_at_s:
            self._was_wide(size, now_s)
            return _all(calm, 0)
        return self._of_the_warm(calm, now_s) or everything

    def _of_the_warm(self, calm: Sequence[Offer], now_s: float) -> Ask | None:
        parts = [(turns, [name for name in turns.streams if name in self._warm]) for turns, _ in calm]
        parts = [(turns, names) for turns, names in parts if names]
        return Ask(parts, _count(calm), max(1, round((self.wide_at_s - now_s) * 1000))) if parts else None

    def _was_wide(self, size: int, now_s: float) -> None:
        self.wide_at_s = now_s + max(WIDE_S, WIDE_S_PER_STREAM * size)


def _all(offers: Sequence[Offer], block_ms: int) -> Ask:
    return Ask([(turns, list(turns.streams)) for turns, _ in offers], _count(offers), block_ms)


def _count(offers: Sequence[Offer]) -> int:
    """COUNT with which no subscription gets more than its places, if that is possible."""
    return max(1, min(places // len(turns.streams) for turns, places in offers))

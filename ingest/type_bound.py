"""Bounds the number of undocumented event types that one process stores under their own names.

Each type is a stream that every group joins. A sender that writes an id into its types would fill Redis and slow down
each start. Beyond the bound, a type that is new to this process is filed as `untyped`: stored, and handled by `*`. Half
of the bound is divided among the sources, so that none takes the names of another's types; the other half is for those
that need more. Each process counts by itself and from its start, so that an event costs only a set look-up.
"""

from collections import Counter
from collections.abc import Collection
from typing import Final

from ..shared import log
from ..shared.events import BY_TYPE
from ..shared.keys import UNTYPED
from ..shared.throttle import Throttle

MAX_TYPES: Final = 2_000
"""OpenAI documents 34. With 1,000 more a worker needs 2 s to start; measured on two cores."""
EFFECT: Final = f"further new types are filed as {UNTYPED!r}, behind the prefix of their source"


class TypeBound:
    """The types that this process files under their own names."""

    def __init__(self, max_types: int = MAX_TYPES) -> None:
        self._max_types = max_types
        self._own = set(BY_TYPE)
        self._counts: Counter[str] = Counter()
        """Source → its types in `_own`."""
        self._sources: Collection[str] = ()
        self._share = 0
        self._log = log.get("ingest")
        self._throttle = Throttle(1)

    def divide(self, sources: Collection[str]) -> None:
        """Reserve the same share for each source."""
        self._sources = sources
        self._share = self._max_types // 2 // max(1, len(sources))

    def admits(self, event_type: str, source: str) -> bool:
        """Whether an event of a source is filed under its own type."""
        if event_type in self._own:
            return True
        if self._has_room(source):
            self._counts[source] += 1
            self._own.add(event_type)
            return True
        suppressed = self._throttle.suppressed(source)
        if suppressed is not None:
            more = {"suppressed": suppressed} if suppressed else {}
            self._log.warning(
                "too_many_types", source=source, type=event_type, max_types=self._max_types, effect=EFFECT, **more
            )
        return False

    def _has_room(self, source: str) -> bool:
        if self._counts[source] < self._share:
            return True
        reserved = sum(max(0, self._share - self._counts[each]) for each in self._sources)
        return self._counts.total() + reserved < self._max_types

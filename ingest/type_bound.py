"""Bounds the number of undocumented event types that one process stores under their own names.

Each type is a stream that every group joins. A sender that writes an id into its types would fill Redis and slow down
each start. Beyond the bound, a type that is new to this process is filed as `untyped`: stored, and handled by `*`. Each
process counts by itself and from its start, so that an event costs only a set look-up.
"""

from typing import Final

from ..shared import log
from ..shared.events import BY_TYPE
from ..shared.keys import RESERVED, UNTYPED

MAX_TYPES: Final = 2_000
"""OpenAI documents 34. With 1,000 more a worker needs 2 s to start; measured on two cores."""
EFFECT: Final = f"further new types are filed as {UNTYPED!r}, behind the prefix of their source"


class TypeBound:
    """The types that this process files under their own names."""

    def __init__(self, max_types: int = MAX_TYPES) -> None:
        self._max_types = max_types
        self._own = set(BY_TYPE)
        self._free = max_types
        self._log = log.get("ingest")
        self._throttle = log.Throttle(1)

    def admits(self, event_type: str, source: str) -> bool:
        """Whether an event of a source is filed under its own type."""
        # Each run of `verify` has a reserved type of its own, and removes it.
        if event_type in self._own or event_type.startswith(RESERVED):
            return True
        if self._free:
            self._free -= 1
            self._own.add(event_type)
            return True
        suppressed = self._throttle.suppressed("too_many_types")
        if suppressed is not None:
            more = {"suppressed": suppressed} if suppressed else {}
            self._log.warning(
                "too_many_types", source=source, type=event_type, max_types=self._max_types, effect=EFFECT, **more
            )
        return False

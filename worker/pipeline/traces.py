"""Where a failed attempt failed, for the log: its line always, its whole traceback for the first of each kind.

A handler that fails a thousand times shows one traceback and a thousand lines; on a terminal, where somebody works on
it, all of them.
"""

from collections import OrderedDict
from typing import Final

from ...shared import log
from .dead_letter import fingerprint_of
from .outcome import Ack, Outcome, Park

MAX_KINDS: Final = 1000
"""More than a program has ways to fail; of one that makes them up, the oldest is forgotten and shown again."""


class Traces:
    """Remembers which kinds were shown."""

    def __init__(self) -> None:
        self._shown: OrderedDict[str, None] = OrderedDict()

    def fields(self, outcome: Outcome, event_type: str) -> dict[str, str]:
        """What the log line of an outcome carries beside its error."""
        if isinstance(outcome, Ack) or (isinstance(outcome, Park) and outcome.is_snooze):
            return {}  # nothing failed
        cause = outcome.cause
        found = {"frame": cause.place} if cause.place else {}
        if cause.traceback and (self._is_new(fingerprint_of(cause, event_type)) or log.is_on_terminal()):
            found["exception"] = cause.traceback
        return found

    def _is_new(self, kind: str) -> bool:
        is_new = kind not in self._shown
        self._shown[kind] = None
        self._shown.move_to_end(kind)
        if len(self._shown) > MAX_KINDS:
            self._shown.popitem(last=False)
        return is_new

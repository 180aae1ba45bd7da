"""Adds the place of a failure to its log line, and the whole traceback to the first of each kind.

A handler that fails a thousand times logs one traceback and a thousand places. On a terminal, where a developer is at
work, every line has its traceback.
"""

from collections import OrderedDict
from typing import Final

from ...shared import log
from .dead_letter import fingerprint_of
from .outcome import Ack, Outcome, Park

MAX_KINDS: Final = 1000
"""More than the ways to fail of any program. If there are more, the oldest kind is forgotten and shown again."""


class Traces:
    """Remembers the kinds of failure that were logged with a traceback."""

    def __init__(self) -> None:
        self._shown: OrderedDict[str, None] = OrderedDict()

    def fields(self, outcome: Outcome, event_type: str) -> dict[str, str]:
        """The fields of an outcome's log line besides its error."""
        if isinstance(outcome, Ack) or (isinstance(outcome, Park) and outcome.is_snooze):
            return {}  # nothing failed
        cause = outcome.cause
        fields = {"frame": cause.place} if cause.place else {}
        if cause.traceback and (self._is_new(fingerprint_of(cause, event_type)) or log.is_on_terminal()):
            fields["exception"] = cause.traceback
        return fields

    def _is_new(self, kind: str) -> bool:
        is_new = kind not in self._shown
        self._shown[kind] = None
        self._shown.move_to_end(kind)
        if len(self._shown) > MAX_KINDS:
            self._shown.popitem(last=False)
        return is_new

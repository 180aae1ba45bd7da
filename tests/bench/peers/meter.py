"""Counts handled events inside the process that handles them, and prints the seconds from the first to the last.

Imports nothing, since peers use it in environments of their own.
"""

import json
import sys
import time


class Meter:
    """`count` is called for each event; the last of `events` prints a line with the seconds since the first."""

    def __init__(self, events: int) -> None:
        self._events = self._left = events
        self._began = 0.0

    def count(self) -> None:
        """Count a handled event."""
        if self._left == self._events:
            self._began = time.perf_counter()
        self._left -= 1
        if not self._left:
            seconds = time.perf_counter() - self._began
            # One write: `print` would write the line's end apart, behind a line of another thread.
            sys.stdout.write(json.dumps({"event": "measured", "events": self._events, "seconds": seconds}) + "\n")

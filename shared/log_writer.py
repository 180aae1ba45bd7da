"""Writes log lines to a descriptor from a thread of its own, so that a pipe nobody reads holds up nobody.

Lines wait in a bounded queue; what finds it full is lost and counted, and the first line that gets through again is
followed by one that says how many. A child that was forked writes its lines itself: it has no such thread, and may
end without waiting for one.
"""

import contextlib
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from prometheus_client import Counter

MAX_WAITING_BYTES: Final = 4 * 1024 * 1024
"""Some 10,000 lines: minutes of a busy program, and little memory."""
FLUSH_S: Final = 2.0
"""How long the end of a program waits for a reader of its last lines."""

DROPPED: Final = Counter("hookbus_log_lines_dropped", "Log lines lost since nobody read those before them.")


class Writer:
    """Takes lines for a descriptor, None for one that was closed: then they go nowhere."""

    def __init__(self, descriptor: int | None, tell_dropped: Callable[[int], None]) -> None:
        self._descriptor = descriptor
        self._tell_dropped = tell_dropped
        self._is_forked = False
        self._begin()
        os.register_at_fork(after_in_child=self._forked)

    def _begin(self) -> None:
        self._changed = threading.Condition()  # reentrant: a finalizer may log while this thread takes a line
        self._lines: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._dropped = 0
        self._thread: threading.Thread | None = None

    def _forked(self) -> None:
        """The lock may be held by a thread that is not here, and the lines are the parent's to write."""
        self._is_forked = True
        self._begin()

    def write(self, text: str) -> None:
        """Take a line, its end included. Never blocks, but in a forked child, and never raises."""
        line = text.encode("utf-8", "backslashreplace")
        if self._descriptor is None:
            return
        if self._is_forked:
            self._put(self._descriptor, line)
            return
        with self._changed:
            if self._waiting_bytes + len(line) > MAX_WAITING_BYTES:
                self._lost()
                return
            self._lines.append(line)
            self._waiting_bytes += len(line)
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, args=(self._descriptor,), name="log", daemon=True)
                with contextlib.suppress(RuntimeError):  # the interpreter ends; `flush` writes what is left
                    self._thread.start()

    def flush(self, timeout_s: float = FLUSH_S) -> None:
        """Wait until all lines are written, for so long at most."""
        with self._changed:
            self._changed.wait_for(lambda: not self._lines, timeout_s)

    def _run(self, descriptor: int) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines)
                line = self._lines[0]  # stays until it is written, for `flush`
            is_written = self._put(descriptor, line)
            with self._changed:
                self._lines.popleft()
                self._waiting_bytes -= len(line)
                if not is_written:
                    self._lost()
                elif self._dropped:
                    dropped, self._dropped = self._dropped, 0
                    self._tell_dropped(dropped)
                self._changed.notify_all()

    def _lost(self) -> None:
        self._dropped += 1
        DROPPED.inc()

    def _put(self, descriptor: int, line: bytes) -> bool:
        """One call for a line that fits, so that those of several processes on one pipe stay whole."""
        while line:
            try:
                line = line[os.write(descriptor, line) :]
            except BlockingIOError:  # somebody made it non-blocking, as a terminal that is shared
                wait = select.poll()
                wait.register(descriptor, select.POLLOUT)
                wait.poll()
            except OSError:  # its reader is gone, or its disk is full
                return False
        return True

"""Writes log lines to a descriptor from a thread of its own, so that a pipe without a reader never blocks the program.

Lines wait in a bounded queue. Lines that find it full are dropped and counted; the first line written afterwards is
followed by one with the number dropped. A forked child writes its lines directly: it has no such thread, and may end
without waiting for one.
"""

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from prometheus_client import Counter

from .log import FLUSH_S

MAX_WAITING_BYTES: Final = 4 * 1024 * 1024
"""Some 10,000 lines: minutes of a busy program, in little memory."""

DROPPED: Final = Counter("hookbus_log_lines_dropped", "Log lines dropped because earlier ones were not read.")


class Writer:
    """Writes lines to a descriptor; None stands for a closed one, and drops them."""

    def __init__(self, descriptor: int | None, on_dropped: Callable[[int], None]) -> None:
        self._descriptor = descriptor
        self._on_dropped = on_dropped
        self._is_direct = False
        self._reset()
        os.register_at_fork(after_in_child=self._reset_in_child)

    def _reset(self) -> None:
        self._changed = threading.Condition()  # reentrant: a finalizer may log while this thread queues a line
        self._lines: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._dropped = 0
        self._thread: threading.Thread | None = None

    def _reset_in_child(self) -> None:
        """Start empty: a thread that the child does not have may hold the lock, and the parent writes its own lines."""
        self._is_direct = True
        self._reset()

    def write(self, text: str) -> None:
        """Queue a line, its end included. Never raises, and blocks only where no thread can write it: in a forked
        child, and while the interpreter shuts down."""
        line = text.encode("utf-8", "backslashreplace")
        if self._descriptor is None:
            return
        if self._is_direct:
            self._put(self._descriptor, line)
            return
        with self._changed:
            if self._waiting_bytes + len(line) > MAX_WAITING_BYTES:
                self._count_dropped()
                return
            self._lines.append(line)
            self._waiting_bytes += len(line)
            self._changed.notify_all()
            if self._thread is None:
                self._start_thread(self._descriptor)

    def _start_thread(self, descriptor: int) -> None:
        self._thread = threading.Thread(target=self._run, args=(descriptor,), name="log", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            if "interpreter shutdown" not in str(error):  # a limit of threads: the next line tries again
                self._thread = None
                return
            self._is_direct = True
            while self._lines:
                self._put(descriptor, self._lines.popleft())
            self._waiting_bytes = 0

    def flush(self, timeout_s: float = FLUSH_S) -> None:
        """Wait until all lines are written, at most `timeout_s`."""
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
                    self._count_dropped()
                elif self._dropped:
                    dropped, self._dropped = self._dropped, 0
                    self._on_dropped(dropped)
                self._changed.notify_all()

    def _count_dropped(self) -> None:
        self._dropped += 1
        DROPPED.inc()

    def _put(self, descriptor: int, line: bytes) -> bool:
        """Write a line, in one call if it fits, so that lines of several processes on one pipe stay whole."""
        while line:
            try:
                line = line[os.write(descriptor, line) :]
            except BlockingIOError:  # another process made it non-blocking, as on a shared terminal
                wait = select.poll()
                wait.register(descriptor, select.POLLOUT)
                wait.poll()
            except OSError:  # the reader is gone, or the disk is full
                return False
        return True

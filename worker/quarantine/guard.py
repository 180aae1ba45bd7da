"""Ends a quarantine process that is of no more use: its worker is gone, or its event loop hangs.

A thread, as neither can be left to the event loop. A process that is told to end does so by itself, within the limits
of a stop; this thread ends it if it does not.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import Final

from ...shared import log
from ...shared.command import EXIT_FAILED, end_now

INTERVAL_S: Final = 1.0


class Guard:
    """Watches the parent, by its process id. `stop` is called from the thread; then the process has `stop_s` to end."""

    def __init__(
        self, *, parent: int, loop_age_s: Callable[[], float], limit_s: float, stop: Callable[[], object], stop_s: float
    ) -> None:
        self._parent = parent
        self._loop_age_s = loop_age_s
        self._limit_s = limit_s
        self._stop = stop
        self._stop_s = stop_s

    def start(self) -> None:
        """Watch until the end of the process."""
        threading.Thread(target=self._run, name="guard", daemon=True).start()

    def _run(self) -> None:
        while os.getppid() == self._parent:  # a process without a parent is given another one
            if self._loop_age_s() > self._limit_s:
                reason = "the event loop hangs: others have taken over what runs here"
                log.get("worker.quarantine").error("loop_stalled", seconds=round(self._loop_age_s(), 1), reason=reason)
                end_now(EXIT_FAILED)
            time.sleep(INTERVAL_S)
        self._stop()
        time.sleep(self._stop_s)
        end_now(EXIT_FAILED)

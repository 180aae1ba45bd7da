"""One of the programs as a child process, with its output line by line."""

import json
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ...shared.offspring import dying_with_us

KEPT: Final = 10_000
"""Lines of output, more than a test looks at."""
SHOWN: Final = 40
"""Lines of output in an error: a screenful."""
STOP_S: Final = 60.0
"""More than the default grace period of a worker and its margin."""


class Program:
    """`name` is `ingest` or `worker`. It ends with us, on Linux also when we are killed."""

    def __init__(self, name: str, arguments: list[str], environ: Mapping[str, str], cwd: Path) -> None:
        self.name = name
        self._output: deque[str] = deque(maxlen=KEPT)
        self._logged: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._news = threading.Condition()
        command = [sys.executable, "-P", "-m", f"hookbus.{name}", *arguments]
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            dying_with_us(command),
            cwd=cwd,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C at the terminal reaches pytest alone, which then ends this one
        )
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def output(self) -> list[str]:
        """What it printed, its log among it."""
        return list(self._output)

    def wait_for(self, *events: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        """Wait for the first line of its log about one of some events, with these fields. Raises AssertionError."""

        def is_it(line: dict[str, Any]) -> bool:
            return line.get("event") in events and all(line.get(name) == value for name, value in fields.items())

        deadline = time.monotonic() + timeout_s
        with self._news:
            while (line := next(filter(is_it, self._logged), None)) is None:
                left_s = deadline - time.monotonic()
                if left_s <= 0 or not self._reading.is_alive():
                    why = "ended without" if left_s > 0 else f"wrote, within {timeout_s:g} s, no"
                    raise AssertionError(f"{self.name} {why} {' or '.join(events)} {fields or ''}\n{self.tail()}")
                self._news.wait(min(left_s, 0.1))  # its end notifies nobody
        return line

    def tail(self) -> str:
        """The end of its output, for an error."""
        return "\n".join([f"{self.name} printed:", *self.output[-SHOWN:]])

    def stop(self) -> int:
        """End it in order; its exit code, negative for a signal."""
        self._process.terminate()
        try:
            return self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            self._reading.join(STOP_S)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._take(line.rstrip("\n"))

    def _take(self, line: str) -> None:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None  # a handler printed it
        with self._news:
            self._output.append(line)
            if isinstance(found, dict):
                self._logged.append(found)
            self._news.notify_all()

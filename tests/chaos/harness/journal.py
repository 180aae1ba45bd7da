"""The journal of handlers, in files: scenarios kill, flush or cut off Redis, so it can't hold the evidence.

Each process appends to a file of its own; a line is one `write`, so that it survives a SIGKILL right after it.
Times are `time.monotonic`, which all processes of one machine share.
"""

import os
import time
from pathlib import Path
from typing import Final, NamedTuple

VARIABLE: Final = "CHAOS_JOURNAL"
"""The variable with the folder, for the processes of handlers."""

BEGAN: Final = "began"
HANDLED: Final = "handled"


class Entry(NamedTuple):
    """One line: `what` happened to a delivery, in which process, and when (monotonic seconds)."""

    at_s: float
    pid: int
    what: str
    group: str
    webhook_id: str
    attempt: int


class Writer:
    """The journal of this process."""

    def __init__(self, folder: Path) -> None:
        path = folder / f"{os.getpid()}-{time.monotonic_ns()}.log"
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self._pid = _outer_pid()

    def write(self, what: str, group: str, webhook_id: str, attempt: int) -> None:
        """Append a line."""
        os.write(self._file, f"{time.monotonic()} {self._pid} {what} {group} {webhook_id} {attempt}\n".encode())


class Journal:
    """All entries of a folder, read as the files grow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._offsets: dict[Path, int] = {}

    def fresh(self) -> list[Entry]:
        """The entries since the last call."""
        entries: list[Entry] = []
        for path in self.folder.glob("*.log"):
            with path.open("rb") as file:
                file.seek(self._offsets.get(path, 0))
                content = file.read()
            whole = content[: content.rfind(b"\n") + 1]
            self._offsets[path] = self._offsets.get(path, 0) + len(whole)
            for line in whole.decode().splitlines():
                at_s, pid, what, group, webhook_id, attempt = line.split(" ")
                entries.append(Entry(float(at_s), int(pid), what, group, webhook_id, int(attempt)))
        return entries


def _outer_pid() -> int:
    """Our process id in the outermost visible pid namespace (`NSpid` lists the inner ones last)."""
    for line in Path("/proc/self/status").read_text().splitlines() if os.path.exists("/proc/self/status") else ():
        if line.startswith("NSpid:"):
            return int(line.split()[1])
    return os.getpid()

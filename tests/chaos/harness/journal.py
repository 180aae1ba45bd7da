"""What handlers did, in files: Redis may be killed, flushed or cut off in these scenarios, and must not be the witness.

Each process appends to a file of its own; a line is one `write`, so that it survives a SIGKILL right after it.
Times are `time.monotonic`, which all processes of one machine share.
"""

import os
import time
from pathlib import Path
from typing import Final, NamedTuple

VARIABLE: Final = "CHAOS_JOURNAL"
"""Names the folder to the handlers' processes."""

BEGAN: Final = "began"
HANDLED: Final = "handled"


class Note(NamedTuple):
    """One line: `what` happened with a delivery, where, and when (monotonic seconds)."""

    at_s: float
    pid: int
    what: str
    group: str
    webhook_id: str
    attempt: int


class Writer:
    """The notes of this process."""

    def __init__(self, folder: Path) -> None:
        path = folder / f"{os.getpid()}-{time.monotonic_ns()}.log"
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self._pid = _outer_pid()

    def note(self, what: str, group: str, webhook_id: str, attempt: int) -> None:
        """Write a line down."""
        os.write(self._file, f"{time.monotonic()} {self._pid} {what} {group} {webhook_id} {attempt}\n".encode())


class Journal:
    """All notes of a folder, read on as the files grow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._offsets: dict[Path, int] = {}

    def fresh(self) -> list[Note]:
        """The notes since the last call."""
        notes: list[Note] = []
        for path in self.folder.glob("*.log"):
            with path.open("rb") as file:
                file.seek(self._offsets.get(path, 0))
                content = file.read()
            whole = content[: content.rfind(b"\n") + 1]
            self._offsets[path] = self._offsets.get(path, 0) + len(whole)
            for line in whole.decode().splitlines():
                at_s, pid, what, group, webhook_id, attempt = line.split(" ")
                notes.append(Note(float(at_s), int(pid), what, group, webhook_id, int(attempt)))
        return notes


def _outer_pid() -> int:
    """Our process id as the outermost visible pid namespace counts (`NSpid` lists the inner ones last)."""
    for line in Path("/proc/self/status").read_text().splitlines() if os.path.exists("/proc/self/status") else ():
        if line.startswith("NSpid:"):
            return int(line.split()[1])
    return os.getpid()

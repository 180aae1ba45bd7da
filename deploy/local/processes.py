"""Child processes that never outlive us, with their output line by line.

On Linux the kernel kills them with their parent (`shared.offspring`); elsewhere they are stopped at a normal end only.
Each has a session of its own: Ctrl-C at the terminal reaches the parent alone, which then ends them in the order that
loses nothing.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hookbus.shared.offspring import dying_with_us

BIN: Final = Path(sys.executable).parent
"""Where the console scripts are: beside the interpreter."""
ROOT: Final = Path(__file__).resolve().parents[2]

LINES_KEPT: Final = 400
"""Of each child's output, to show when something went wrong."""
LONGEST_LINE_BYTES: Final = 4 * 1024 * 1024
"""A log line may hold a traceback; beyond this it is broken up."""
KILL_PATIENCE_S: Final = 5.0


def clean_environment(**added: str) -> dict[str, str]:
    """Our environment without the variables of hookbus, and with `added`."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(("HOOKBUS_", "OPENAI_"))}
    return others | added


class EndedError(Exception):
    """A child ended before the awaited log line."""


class Child:
    """A running program. `lines` holds the newest of its output; `see` is called with the child and each line."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, see: "See") -> None:
        self.name = name
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._process = process
        self._see = see
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        self._reading.add_done_callback(lambda _: self._news.set())

    @classmethod
    async def start(
        cls, name: str, command: Sequence[str], environ: Mapping[str, str], see: "See", cwd: Path | None = None
    ) -> "Child":
        """Start one of the console scripts, with its standard error and output in one."""
        process = await asyncio.create_subprocess_exec(
            *dying_with_us([str(BIN / command[0]), *command[1:]]),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"PYTHONUNBUFFERED": "1"} | dict(environ),
            cwd=cwd,
            start_new_session=True,
            limit=LONGEST_LINE_BYTES,
        )
        return cls(name, process, see)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.returncode is None

    async def until_logged(self, event: str) -> dict[str, Any]:
        """Wait for a log line (JSON) of this event; its fields. Raises EndedError when none can come any more."""
        while (fields := self.logged(event)) is None:
            if self._reading.done():
                raise EndedError(f"{self.name} {ending(await self.wait())} and never logged {event}")
            self._news.clear()
            await self._news.wait()
        return fields

    def logged(self, event: str) -> dict[str, Any] | None:
        """The newest log line of this event, None when there is none (any more)."""
        for line in reversed(self.lines):
            if f'"{event}"' in line:
                with contextlib.suppress(ValueError):
                    fields = json.loads(line)
                    if isinstance(fields, dict) and fields.get("event") == event:
                        return fields
        return None

    async def wait(self) -> int:
        """Wait for its end and the end of its output; the exit code, negative for a signal."""
        code = await self._process.wait()
        await self._reading
        return code

    def signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.is_running:
            self._process.send_signal(number)

    async def stop(self, number: int, patience_s: float) -> int:
        """Send a signal and wait; SIGKILL follows after `patience_s`. The exit code."""
        self.signal(number)
        try:
            return await asyncio.wait_for(self.wait(), patience_s)
        except TimeoutError:
            return await self.kill()

    async def kill(self) -> int:
        """End it now. Output that others of its session still could write is not waited for."""
        if self.is_running:
            self._process.kill()
        code = await self._process.wait()
        await asyncio.wait((self._reading,), timeout=KILL_PATIENCE_S)
        self._reading.cancel()
        return code

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while True:
            try:
                line = await self._process.stdout.readline()
            except ValueError:  # longer than the limit, and dropped
                line = b"(a line too long to show)\n"
            if not line:
                return
            text = line.decode(errors="replace").rstrip("\n")
            self.lines.append(text)
            self._news.set()
            self._see(self, text)


See = Callable[[Child, str], None]


def ignore(_child: Child, _line: str) -> None:
    """A `See` that shows nothing."""


def gentle_signal(child: Child) -> signal.Signals:
    """What ends a child in order and soon. Before its first output, Ctrl-C would hit the imports."""
    return signal.SIGINT if child.lines else signal.SIGTERM


def ending(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"

"""A program that is restarted whenever it ends, as systemd does with `Restart=always`."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.chaos.harness.ledger import Ledger
from tests.programs import Program
from tests.wait import until

RESTART_S: Final = 0.1
"""systemd's default for RestartSec."""


class Supervised:
    """The latest of a row of processes. `start` starts one."""

    def __init__(self, start: Callable[[], Program], ready: str, ledger: Ledger) -> None:
        self._start = start
        self._ready = ready
        self._ledger = ledger
        self._is_ending = False
        self.programs = [start()]
        """All of them; the last one is the current one."""
        self._task = asyncio.create_task(self._keep())

    @property
    def program(self) -> Program:
        """The current process."""
        return self.programs[-1]

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.program.process.pid

    @property
    def pids(self) -> set[int]:
        """Process ids that its journal entries may carry: in a pid namespace of its own it is a child of `unshare`."""
        return {self.pid, *_children(self.pid)}

    @property
    def deaths(self) -> int:
        """How often it was restarted."""
        return len(self.programs) - 1

    def signal(self, number: int = signal.SIGKILL) -> None:
        """Send a signal. After SIGKILL or SIGSTOP its deliveries must run elsewhere."""
        if self.program.process.poll() is None:
            if number in (signal.SIGKILL, signal.SIGSTOP):
                self._gone()
            self.program.process.send_signal(number)

    async def restart(self) -> None:
        """A rolling restart: SIGTERM, and wait until the next process is ready."""
        count = len(self.programs)
        self.program.process.send_signal(signal.SIGTERM)
        await until(lambda: len(self.programs) > count, timeout_s=60)
        await self.ready()

    async def ready(self) -> "Supervised":
        """Wait until the current process has logged that it is ready."""
        await self.program.until_logged(self._ready, timeout_s=60)
        return self

    def logged(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """The log lines of all its processes."""
        return [line for program in self.programs for line in program.logged(event, **fields)]

    def tracebacks(self, *expected: str) -> list[str]:
        """Lines of all its processes that begin a traceback, except those of the log events `expected`."""
        return [line for program in self.programs for line in program.tracebacks(*expected)]

    async def end(self) -> None:
        """SIGTERM without a restart."""
        self._is_ending = True
        process = self.program.process
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
        await self._task

    async def kill(self) -> None:
        """SIGKILL without a restart."""
        self._is_ending = True
        self.signal()
        await self._task

    async def close(self) -> None:
        """Kill all processes that still run."""
        self._is_ending = True
        for program in self.programs:
            await asyncio.to_thread(program.__exit__, None, None, None)
        await self._task  # it starts no further process

    def _gone(self) -> None:
        self._ledger.process_gone(self.pids)

    async def _keep(self) -> None:
        while True:
            process = self.program.process
            while process.poll() is None:  # noqa: ASYNC110 - a child's end is no asyncio event
                await asyncio.sleep(0.02)
            if self._is_ending:
                return
            self._gone()
            await asyncio.sleep(RESTART_S)
            if self._is_ending:
                return
            self.programs.append(self._start())


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []

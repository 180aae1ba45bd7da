"""The stage of a question: private servers and the real programs, over loopback, all removed at its end.

Every server listens on a TCP port, like one on another machine, and writes its append-only file once a second
(`appendfsync everysec`), unless a question changes that.
"""

import asyncio
import contextlib
import itertools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

from hookbus.shared.valkey import Valkey
from tests.bench.figures import Series
from tests.programs import Ingest, Program, Worker, free_port

T = TypeVar("T")
See = Callable[[int, dict[str, float]], None]
Side = Callable[[], Awaitable[float]]

ROUNDS: Final = 5
"""Measured pairs; a median of fewer is unreliable on a shared machine."""
READY_S: Final = 60.0
"""Longer than the start of any program, on a busy machine."""
END_S: Final = 5.0
"""Longest wait for a program to end by itself; an idle hookbus needs less."""
OPTIONS: Final = {
    "appendfsync": "everysec",
    # A rewrite in the middle of a round would cost that round alone.
    "auto_aof_rewrite_percentage": "0",
}


class Stage:
    """Servers and programs of one question. `see` receives the figures of each round; `is_quick`: short rounds."""

    def __init__(self, see: See, *, is_quick: bool, rounds: int = ROUNDS) -> None:
        self.is_quick = is_quick
        self.rounds = rounds
        self.folder = Path(tempfile.mkdtemp(prefix="hookbus-bench-"))
        self._see = see
        self._servers: list[Valkey] = []
        self._numbers = itertools.count()
        self._programs: list[Program] = []

    async def __aenter__(self) -> "Stage":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in self._programs:
            program.__exit__(kind, error, trace)
        for server in self._servers:
            await asyncio.to_thread(server.close)
        shutil.rmtree(self.folder, ignore_errors=True)

    def scale(self, full: T, quick: T) -> T:
        """`quick` in a quick run, else `full`."""
        return quick if self.is_quick else full

    def numbers(self, least: int = 1) -> range:
        """The numbers of the rounds: at least `least`, unless the run is limited to few rounds."""
        return range(1, (self.rounds if self.rounds < ROUNDS else max(least, self.rounds)) + 1)

    async def rounds_of(self, least: int = 1, **sides: Side) -> tuple[Series, ...]:
        """Measure the sides in turn, A B A B …; returns a series of each. `least`: see `numbers`."""
        measured: dict[str, list[float]] = {name: [] for name in sides}
        for number in self.numbers(least):
            for name, measure in sides.items():
                measured[name].append(await measure())
            self.report_round(number, {name: figures[-1] for name, figures in measured.items()})
        return tuple(Series(name, tuple(figures)) for name, figures in measured.items())

    def report_round(self, number: int, figures: dict[str, float]) -> None:
        """Pass on the figures of a round."""
        self._see(number, figures)

    async def valkey(self, **options: Any) -> Valkey:
        """A server for this question; `options` are configuration directives of `Valkey`."""
        server = Valkey(self.folder / f"valkey{next(self._numbers)}", port=free_port(), **(OPTIONS | options))
        self._servers.append(server)
        return await asyncio.to_thread(server.start)

    async def ingest(self, server: Valkey, port: int = 0, **environ: str) -> Ingest:
        """hookbus-ingest, ready; its durability is `memory`, the one that everysec can keep."""
        ingest = Ingest(server.url, port=port, **environ)
        self._programs.append(ingest)
        return await ingest.until_healthy()

    async def worker(self, server: Valkey, *apps: str, **environ: str) -> Worker:
        """hookbus-worker, working, with default settings."""
        worker = Worker(server.url, *apps, HOOKBUS_WORKER_GRACE_PERIOD_S="40", **environ)
        self._programs.append(worker)
        return await worker.until_working()

    async def script(
        self, server: Valkey | None, module: str, *args: str, ready: str = "ready", limit_s: float = READY_S
    ) -> Program:
        """A module of the bench, run in the environment of hookbus; returns at its log event `ready`."""
        return await self._started((sys.executable, "-m", module, *args), server, ready, limit_s)

    async def peer(
        self, python: Path, server: Valkey, script: str, *args: str, ready: str = "ready", limit_s: float = READY_S
    ) -> Program:
        """A script in `peers/`, run by the interpreter of another environment; returns at its log event `ready`."""
        path = str(Path(__file__).parent / "peers" / script)
        return await self._started((str(python), path, *args), server, ready, limit_s)

    async def _started(self, command: Sequence[str], server: Valkey | None, ready: str, limit_s: float) -> Program:
        program = Program(*command, redis_url=server.url if server else "")
        self._programs.append(program)
        await program.until_logged(ready, limit_s)
        return program

    async def end(self, program: Program) -> None:
        """End a program before the question ends; gracefully, if it supports that."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            await program.end(timeout_s=END_S)
        self._programs.remove(program)
        program.__exit__(None, None, None)

    async def close(self, server: Valkey) -> None:
        """Stop a server before the question ends."""
        self._servers.remove(server)
        await asyncio.to_thread(server.close)

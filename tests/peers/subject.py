"""Another project as a subject: its clerk and its workers, in its own environment, on a Valkey of its own."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from hookbus.shared.connection import connect
from hookbus.shared.offspring import dying_with_us
from hookbus.shared.valkey import Valkey
from tests.chaos.harness.journal import VARIABLE, Journal
from tests.chaos.harness.ledger import Ledger
from tests.chaos.harness.supervised import Supervised
from tests.peers.environment import PINNED, python_of
from tests.peers.peer import URL
from tests.peers.remaining import remaining
from tests.programs import ROOT, Program, free_port

ANSWER_S: Final = 60.0
"""Far more than any reply of a clerk takes."""


class Worker(Program):
    """One process of a peer with its children, which end with it, as under systemd (KillMode=control-group)."""

    def __init__(self, python: Path, arguments: Collection[str], url: str, environ: Mapping[str, str]) -> None:
        # Each program of this command replaces the one before, so that the process id is that of the worker itself.
        around = dying_with_us([shutil.which("setsid") or "/usr/bin/setsid"])
        super().__init__(str(python), *arguments, redis_url=url, around=around, **environ)
        self._has_group = True

    def end_group(self) -> None:
        """Kill the rest of its process group; once, and right after its end, before the number can be reused."""
        if self._has_group:
            self._has_group = False
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_group()
        super().__exit__(kind, error, trace)


class Peer:
    """A peer that is tried with one question. `about` is the description by its clerk."""

    def __init__(self, name: str, folder: Path) -> None:
        self.who = name
        self.record = ""
        self.lease_s = 0.0
        self.about: dict[str, Any] = {}
        self._folder = folder
        entries = folder / "journal"
        entries.mkdir(parents=True)
        self.ledger = Ledger(Journal(entries))
        self._python = python_of(name, PINNED[name])
        self._server = Valkey(folder / "valkey", port=free_port())
        self._environ = {VARIABLE: str(entries), URL: self._server.url, "PYTHONPATH": str(ROOT)}
        self._clerk: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._workers: list[Supervised] = []

    async def __aenter__(self) -> "Peer":
        await asyncio.to_thread(self._server.start)
        self._clerk = await asyncio.create_subprocess_exec(
            str(self._python), "-m", f"tests.peers.{self.who}",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=(self._folder / "clerk.log").open("wb"),
            cwd=ROOT, env=os.environ | self._environ,
        )  # fmt: skip
        self.about = await self._reply()
        self.record, self.lease_s = self.about["record"], self.about["lease_s"]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, worker in enumerate(self._workers):
            await worker.close()
            for run, program in enumerate(worker.programs):
                (self._folder / f"worker-{number}-{run}.log").write_text("\n".join(program.raw))
        if self._clerk is not None:
            with contextlib.suppress(ProcessLookupError):
                self._clerk.kill()
            await self._clerk.wait()
        await asyncio.to_thread(self._server.close)

    async def send(self, jobs: Mapping[str, str]) -> None:
        """Send jobs by its own client."""
        await self._call({"send": dict(jobs)})

    async def work(self, workers: int) -> None:
        """Start workers that are restarted whenever they end, as under systemd."""
        self._workers = [Supervised(self._start, "", self.ledger) for _ in range(workers)]

    async def dead(self, names: Collection[str]) -> set[str]:
        """The jobs that are in its own record of failures."""
        return set(await self._call({"dead": list(names)}))

    async def remaining(self, names: Collection[str]) -> set[str]:
        """The jobs that are anywhere in its Redis."""
        client = connect(self._server.url, "chaos", connections=1)
        try:
            return await remaining(client, names)
        finally:
            await client.aclose()

    @property
    def deaths(self) -> int:
        """How many workers ended."""
        return sum(worker.deaths for worker in self._workers)

    def _start(self) -> Worker:
        for supervised in self._workers:
            for program in supervised.programs[-1:]:
                if isinstance(program, Worker) and program.process.poll() is not None:
                    program.end_group()
        return Worker(self._python, self.about["worker"], self._server.url, self._environ)

    async def _call(self, request: dict[str, Any]) -> Any:
        assert self._clerk is not None
        assert self._clerk.stdin is not None
        async with self._turn:
            self._clerk.stdin.write(json.dumps(request).encode() + b"\n")
            return await self._reply()

    async def _reply(self) -> Any:
        assert self._clerk is not None
        assert self._clerk.stdout is not None
        line = await asyncio.wait_for(self._clerk.stdout.readline(), ANSWER_S)
        if not line:
            raise RuntimeError(f"{self.who}: {(self._folder / 'clerk.log').read_text()[-2000:]}")
        return json.loads(line)

"""The programs of the demo: a private Valkey, one hookbus-ingest, two hookbus-workers, and their tools.

Everything is temporary and private: a data folder that is removed, a Unix socket, free loopback ports, a generated
secret, and only the settings below; no configuration file is read.
"""

import asyncio
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.demo.book import Book
from deploy.local.processes import BIN, ROOT, Child, clean_environment, ending, gentle_signal, ignore
from hookbus.shared.offspring import dying_with_us
from hookbus.shared.valkey import Valkey

HANDLERS: Final = ("deploy.local.demo.handlers:billing", "deploy.local.demo.handlers:audit")
READY_TIMEOUT_S: Final = 30.0
COMMAND_TIMEOUT_S: Final = 30.0
STOP_PATIENCE_S: Final = 20.0
ANY_PORT: Final = "127.0.0.1:0"


@dataclass(frozen=True, slots=True)
class CommandResult:
    """Exit code and output of a command."""

    code: int
    output: str
    errors: str


class Bench:
    """Starts and stops the programs. Tools print lines of `width` columns, with colours if `is_coloured`."""

    def __init__(self, *, width: int, is_coloured: bool) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="hookbus-demo-")
        self.valkey = Valkey(Path(self._folder.name) / "data")
        self.secret = "whsec_" + secrets.token_hex(32)
        self.children: list[Child] = []
        self._environ = clean_environment(
            HOOKBUS_REDIS_URL=self.valkey.url,
            HOOKBUS_INGEST_LISTEN=ANY_PORT,
            HOOKBUS_INGEST_OPS_LISTEN=ANY_PORT,
            HOOKBUS_WORKER_OPS_LISTEN=ANY_PORT,
            OPENAI_WEBHOOK_SECRET=self.secret,
            # The programs run in the temporary folder, so they find no hookbus.toml.
            PYTHONPATH=str(ROOT),
            COLUMNS=str(width),
            **({"FORCE_COLOR": "1"} if is_coloured else {}),
        )

    def book(self) -> Book:
        """The demo's side of the handlers' record."""
        return Book(self.valkey.url)

    async def start_ingest(self) -> str:
        """Start hookbus-ingest and return the URL that it listens on. Raises EndedError, TimeoutError."""
        child = await self._start("ingest", "hookbus-ingest", "serve")
        async with asyncio.timeout(READY_TIMEOUT_S):
            listening = await child.until_logged("listening")
            await child.until_logged("redis_healthy")
        return str(listening["urls"][0])

    async def start_workers(self, *names: str) -> None:
        """Start a worker process of each name and wait until all read. Raises EndedError, TimeoutError."""
        async with asyncio.timeout(READY_TIMEOUT_S):
            for child in [await self._start(name, "hookbus-worker", "run", *HANDLERS) for name in names]:
                await child.until_logged("working")

    def child(self, pid: int) -> Child:
        """The program with this process id."""
        return next(child for child in self.children if child.pid == pid)

    async def run(self, *command: str) -> CommandResult:
        """Run one of the command line tools until it exits. Raises TimeoutError."""
        process = await asyncio.create_subprocess_exec(
            *dying_with_us([str(BIN / command[0]), *command[1:]]),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environ,
            cwd=self._folder.name,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                output, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return CommandResult(process.returncode, output.decode(), errors.decode())

    async def stop(self) -> list[str]:
        """Stop the programs in order, ingest first. Returns a line for each one that did not exit with 0."""
        failures = []
        for child in self.children:
            if child.is_running and (code := await child.stop(gentle_signal(child), STOP_PATIENCE_S)) != 0:
                failures.append(f"{child.name} {ending(code)}")
        return failures

    async def close(self) -> None:
        """Kill every program and remove all files, in any state."""
        await asyncio.gather(*(child.kill() for child in self.children))
        self.valkey.close()
        self._folder.cleanup()

    async def _start(self, name: str, *command: str) -> Child:
        child = await Child.start(name, command, self._environ, ignore, Path(self._folder.name))
        self.children.append(child)
        return child

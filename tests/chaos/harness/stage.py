"""The environment of one scenario: servers, programs, a sender and a ledger, all private, and removed at its end.

All random values come from `rng`, so that a seed repeats the plan (not the scheduling of processes).
"""

import asyncio
import contextlib
import json
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

from hookbus.shared.connection import connect
from hookbus.shared.keys import Keys
from hookbus.shared.valkey import Valkey
from hookbus.worker.inspect import status
from tests import servers
from tests.chaos.harness.journal import VARIABLE, Journal
from tests.chaos.harness.ledger import Ledger, shown
from tests.chaos.harness.sender import Sender
from tests.chaos.harness.supervised import Supervised
from tests.programs import Ingest, Program, Worker, free_port

T = TypeVar("T")

HANDLERS: Final = "tests.chaos.handlers.scripted"
ACCOUNTED_S: Final = 90.0
"""Limit for the last deliveries once the faults are over: a takeover, a suspect's turn, some retries."""


class Stage:
    """`is_short` selects the form that runs among the tests. `folder` is kept when the scenario fails."""

    def __init__(self, folder: Path, seed: int, *, is_short: bool) -> None:
        self.folder = folder
        self.seed = seed
        self.is_short = is_short
        self.rng = random.Random(seed)
        self._entries = folder / "journal"
        self._entries.mkdir(parents=True)
        self.ledger = Ledger(Journal(self._entries))
        self.supervised: list[Supervised] = []
        """All started programs."""
        self.expected_tracebacks: tuple[str, ...] = ()
        """Log events whose tracebacks the scenario causes on purpose."""
        self._servers: list[Valkey] = []
        self._exits = contextlib.AsyncExitStack()

    async def __aenter__(self) -> "Stage":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exits.aclose()
        for supervised in self.supervised:
            await supervised.close()
        for server in self._servers:
            await asyncio.to_thread(server.close)

    def scale(self, full: T, short: T) -> T:
        """The value for the current form."""
        return short if self.is_short else full

    async def valkey(self, **options: Any) -> Valkey:
        """Start a durable server; `port=…` and configuration directives as `Valkey` takes them."""
        server = Valkey(self.folder / f"valkey{len(self._servers)}", server=servers.path(), **options)
        self._servers.append(server)
        return await asyncio.to_thread(server.start)

    async def ingest(self, url: str, *, port: int = 0, is_ready: bool = True, **environ: str) -> Supervised:
        """Start hookbus-ingest under supervision; its `program` is an `Ingest` with a `url`."""
        port = port or free_port()
        durable = {"HOOKBUS_INGEST_DURABILITY": "fsync"} | environ
        return await self._keep(lambda: Ingest(url, port=port, **durable), "listening", is_ready)

    async def worker(
        self, url: str, *apps: str, is_ready: bool = True, is_elsewhere: bool = False, **environ: str
    ) -> Supervised:
        """Start hookbus-worker under supervision, with apps of `tests.chaos.handlers.scripted` or `module:app`.

        `is_elsewhere` gives it process ids and a `/dev/shm` of its own, so that the others can't see its process end.
        """
        targets = [app if ":" in app or app.startswith("-") else f"{HANDLERS}:{app}" for app in apps]
        around = ELSEWHERE if is_elsewhere and can_be_elsewhere() else ()
        environ = {VARIABLE: str(self._entries)} | environ
        return await self._keep(lambda: Worker(url, *targets, around=around, **environ), "working", is_ready)

    async def _keep(self, start: Callable[[], Program], ready: str, is_ready: bool) -> Supervised:
        supervised = Supervised(start, ready, self.ledger)
        self.supervised.append(supervised)
        return await supervised.ready() if is_ready else supervised

    async def sender(self, *ingests: Supervised, connections: int = 64) -> Sender:
        """A sender that posts to these."""
        urls = [f"http://127.0.0.1:{supervised.program.port}/webhooks/openai" for supervised in ingests]
        return await self._exits.enter_async_context(Sender(urls, self.ledger, self.rng, connections=connections))

    async def until_accounted(self, server: Valkey, timeout_s: float = ACCOUNTED_S, shards: int = 1) -> None:
        """Wait until each expected group has handled every accepted event, or has it as a dead letter, and until
        `server` has no backlog, retries or deliveries in flight for those groups.

        Raises AssertionError when it takes too long.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            await self.read_dead(server, shards)
            unfinished = shown(self.ledger.missing()) or await self._unfinished(server, shards)
            if not unfinished:
                return
            assert time.monotonic() < deadline, f"not handled and not dead after {timeout_s:g} s: {unfinished}"
            await asyncio.sleep(0.2)

    async def _unfinished(self, server: Valkey, shards: int) -> str:
        """The unfinished work that hookbus itself reports; "" for none."""
        client = connect(server.url, "chaos", connections=1)
        try:
            groups = (await status.fetch(client, shards)).groups
        finally:
            await client.aclose()
        for name in self.ledger.groups:
            waiting = {
                kind: (t.backlog, t.in_flight) for kind, t in groups[name].types.items() if t.backlog or t.in_flight
            }
            if waiting or groups[name].delayed:
                return f"{name}: {groups[name].delayed} delayed, and (backlog, in flight) of {waiting}"
        return ""

    async def read_dead(self, server: Valkey, shards: int = 1) -> None:
        """Record the dead letters of all expected groups in the ledger."""
        client = connect(server.url, "chaos", connections=1)
        try:
            for group in self.ledger.groups:
                for shard in range(shards):
                    names = await client.execute_command("HKEYS", Keys(shard).dead_data(group))
                    # A second letter of one webhook-id carries the entry id behind a tilde.
                    self.ledger.add_dead(group, {name.decode().partition("~")[0] for name in names})
        finally:
            await client.aclose()

    def check_logs(self) -> None:
        """Raises AssertionError if a program logged an unexpected traceback."""
        for supervised in self.supervised:
            tracebacks = supervised.tracebacks(*self.expected_tracebacks)
            assert not tracebacks, f"{supervised.program.command} logged a traceback: {tracebacks[0]}"

    def save_logs(self) -> None:
        """Write the output of every program into the folder, to diagnose a failure."""
        for number, supervised in enumerate(self.supervised):
            for run, program in enumerate(supervised.programs):
                path = self.folder / f"{program.command[0]}-{number}-{run}.log"
                path.write_text("\n".join([json.dumps(program.command), *program.raw, ""]))


ELSEWHERE: Final = (
    "unshare",
    "--mount",
    "--fork",
    "--pid",
    "--kill-child",
    "--",
    "sh",
    "-c",
    'mount -t tmpfs tmpfs /dev/shm && exec "$0" "$@"',
)


def can_be_elsewhere() -> bool:
    """Whether this machine can start a process in namespaces of its own."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*ELSEWHERE, "true"], capture_output=True, check=False).returncode == 0

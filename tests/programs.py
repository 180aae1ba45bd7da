"""The real programs as processes, for tests that check them from outside."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

from hookbus.shared.secret import key_bytes, sign
from tests import users
from tests.wait import PATIENCE_S

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parent.parent
LOWEST_PORT, PORTS = 10_000, 22_000
OF_HANDLERS = ("parked", "dead_letter", "outcome_discarded", "breaker_opened")
"""Log events that show why a handler failed, with its traceback."""
SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0cy1vZi1ob29rYnVz"


def free_port() -> int:
    """A port that was just free, below the ephemeral range of the kernel (from 32768 on): the kernel may give a port of
    that range to a connection before the program listens on it."""
    while True:
        port = LOWEST_PORT + secrets.randbelow(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Program:
    """A started program, and a context manager that ends it. `raw` holds its output, `lines` its JSON log lines.

    The command is one of our console scripts or a full path; `around` is a command that runs it; `listening` are
    sockets that it gets in the way of systemd.
    """

    def __init__(
        self,
        *command: str,
        redis_url: str,
        cwd: Path = ROOT,
        around: Sequence[str] = (),
        listening: Mapping[str, socket.socket] | None = None,
        **environ: str,
    ) -> None:
        self.command = command
        self.lines: list[dict[str, Any]] = []
        self.raw: list[str] = []
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("HOOKBUS_", "OPENAI_", "PYTHON"))}
        variables = {
            "HOOKBUS_REDIS_URL": users.login(redis_url, *command),
            "TEST_REDIS_URL": redis_url,  # for the records of test handlers
            "PYTHONUNBUFFERED": "1",
        }
        passed = {name: each.fileno() for name, each in (listening or {}).items()}
        self.process = subprocess.Popen(
            [*around, *_passing(passed), str(BIN / command[0]), *command[1:]],
            cwd=cwd,
            env=clean | variables | environ,
            pass_fds=list(passed.values()),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def _collect(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.raw.append(line.rstrip("\n"))
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                self.lines.append(found)

    def logged(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """The log lines of an event with these fields."""
        return [
            line
            for line in list(self.lines)
            if line.get("event") == event and all(line.get(key) == value for key, value in fields.items())
        ]

    def tracebacks(self, *expected: str) -> list[str]:
        """Lines that begin a traceback, except those of failed handlers and of `expected` log events."""
        lines = [line for line in self.raw if "Traceback (most recent call" in line]
        return [line for line in lines if not any(f'"event": "{name}"' in line for name in (*OF_HANDLERS, *expected))]

    async def until_logged(self, event: str, timeout_s: float = PATIENCE_S, **fields: Any) -> dict[str, Any]:
        """Wait for a log line; no longer than until the program has ended and its output is read completely."""
        deadline = time.monotonic() + timeout_s
        is_over = False
        while not (found := self.logged(event, **fields)):
            if is_over:
                raise AssertionError(f"{self.command} logged no {event} {fields}; its output:\n" + "\n".join(self.raw))
            await asyncio.sleep(0.01)
            is_over = time.monotonic() > deadline or not self._reader.is_alive()
        return found[0]

    async def end(self, number: int = signal.SIGTERM, timeout_s: float = PATIENCE_S) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return await self.until_ended(timeout_s)

    async def until_ended(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait until it ends by itself and its output is read completely; returns the exit code."""
        code = await asyncio.to_thread(self.process.wait, timeout_s)
        self._reader.join(timeout_s)
        return code

    def __enter__(self) -> "Program":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait(10)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        if error is not None:
            error.add_note(f"{' '.join(self.command)} printed:\n" + "\n".join(self.raw[-60:]))


def _passing(passed: Mapping[str, int]) -> list[str]:
    """A command that moves descriptors to the numbers of systemd and replaces itself, with the same pid, by another."""
    if not passed:
        return []
    high = "".join(f"exec {fd}<&{old} {old}<&-; " for fd, old in enumerate(passed.values(), 100))
    moves = "".join(f"exec {3 + i}<&{100 + i} {100 + i}<&-; " for i in range(len(passed)))
    variables = f"LISTEN_PID=$$ LISTEN_FDS={len(passed)} LISTEN_FDNAMES={':'.join(passed)}"
    return ["bash", "-c", f'{high}{moves}export {variables}; exec "$@"', "-"]


class Ingest(Program):
    """`hookbus-ingest serve` on a port of its own."""

    def __init__(
        self,
        redis_url: str,
        *args: str,
        port: int = 0,
        listening: Mapping[str, socket.socket] | None = None,
        command: str = "hookbus-ingest",
        cwd: Path = ROOT,
        **environ: str,
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}/webhooks/openai"
        defaults = {
            "OPENAI_WEBHOOK_SECRET": SECRET,
            "HOOKBUS_INGEST_LISTEN": f"127.0.0.1:{self.port}",
            "HOOKBUS_INGEST_OPS_LISTEN": "127.0.0.1:0",
            "HOOKBUS_INGEST_DURABILITY": "memory",
        }
        options = {"redis_url": redis_url, "listening": listening, "cwd": cwd}
        super().__init__(command, "serve", *args, **options, **defaults | environ)

    async def until_logged(self, event: str, timeout_s: float = PATIENCE_S, **fields: Any) -> dict[str, Any]:
        """Wait for a log line, and until it listens: it looks at Redis before it opens its port."""
        await super().until_logged("listening", timeout_s)
        return await super().until_logged(event, timeout_s, **fields)

    async def until_healthy(self) -> "Ingest":
        """Wait until it listens and Redis is healthy: it returns 200."""
        await self.until_logged("redis_healthy")
        return self

    def __enter__(self) -> "Ingest":
        return self


class Worker(Program):
    """`hookbus-worker run` with apps of `tests.end_to_end.handlers`."""

    def __init__(
        self, redis_url: str, *args: str, around: Sequence[str] = (), cwd: Path = ROOT, **environ: str
    ) -> None:
        defaults = {"HOOKBUS_WORKER_OPS_LISTEN": "127.0.0.1:0", "HOOKBUS_WORKER_GRACE_PERIOD_S": "61"}
        apps = [
            a if a.startswith("-") or ":" in a or a.endswith("*") else f"tests.end_to_end.handlers:{a}" for a in args
        ]
        options = {"redis_url": redis_url, "around": around, "cwd": cwd}
        super().__init__("hookbus-worker", "run", *apps, **options, **defaults | environ)

    async def until_working(self) -> "Worker":
        """Wait until it reads from Redis."""
        await self.until_logged("working")
        return self

    def __enter__(self) -> "Worker":
        return self


def event_body(event_type: str = "response.completed", **data: Any) -> bytes:
    """A body like those of OpenAI."""
    event = {"id": "evt_1", "object": "event", "created_at": 1750287018, "type": event_type}
    return json.dumps(event | {"data": {"id": "resp_1"} | data}).encode()


def signed(webhook_id: str, body: bytes, *, at: float | None = None, secret: str = SECRET) -> dict[str, str]:
    """The headers of a signed webhook."""
    timestamp = str(int(time.time() if at is None else at))
    signature = sign(key_bytes(secret, "raw"), webhook_id, timestamp, body)
    return {"webhook-id": webhook_id, "webhook-timestamp": timestamp, "webhook-signature": signature}


async def post(url: str, webhook_id: str, body: bytes, **options: Any) -> tuple[int, str]:
    """Post one signed webhook; returns status and code of the response."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=signed(webhook_id, body, **options)) as answer,
    ):
        content = await answer.json()
        return answer.status, content.get("status") or content["error"]


async def post_until_accepted(url: str, webhook_id: str, body: bytes, timeout_s: float = 30) -> str:
    """Post like OpenAI: the same webhook-id with a fresh timestamp until the response is 200."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            status, code = await post(url, webhook_id, body)
            if status == 200:
                return code
        except aiohttp.ClientError:
            pass
        assert time.monotonic() < deadline, "never accepted"
        await asyncio.sleep(0.05)

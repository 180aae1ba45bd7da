"""The real receiver over real HTTP, in the test's own event loop, with captured logs."""

import asyncio
import base64
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from structlog.testing import capture_logs

from hookbus.ingest import app
from hookbus.ingest.settings import IngestSettings
from hookbus.shared import keys, posting
from hookbus.shared.command import Stopping
from hookbus.shared.listen import Listen
from hookbus.shared.samples import event_body
from hookbus.shared.secret import Secret, key_bytes
from hookbus.shared.sources import Source
from tests import users
from tests.wait import until

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
KEY = key_bytes(SECRET, "raw")
PATH = "/webhooks/openai"
ANY_PORT = Listen("127.0.0.1", 0)


def settings(redis_url: str, **options: Any) -> IngestSettings:
    """Settings of a receiver on free ports."""
    values = {
        "redis_url": redis_url,
        "listen": (ANY_PORT,),
        "ops_listen": ANY_PORT,
        "durability": "memory",
        "sources": {"openai": Source(path=PATH, secrets=(Secret(SECRET),))},
        "drain_delay_s": 0.0,
        "max_connections": 500,  # within the limit of open files wherever the tests run
    }
    return IngestSettings(**(values | options))


SHARD = keys.Keys(0)


async def entries(client, event_type="response.completed"):
    reply = await client.execute_command("XRANGE", SHARD.stream(event_type), "-", "+")
    return [dict(zip(fields[::2], fields[1::2], strict=True)) for _, fields in reply]


def head(request: posting.Request, *lines: str, path: str = PATH) -> bytes:
    """The request line and headers of a delivery, without a length."""
    headers = [f"{name}: {value}" for name, value in request.headers.items()]
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *headers, *lines, "", ""]).encode()


@dataclass
class Ingest:
    """A running receiver."""

    base: str
    ops: str
    session: aiohttp.ClientSession
    stopping: Stopping
    logs: list[dict[str, Any]]

    @property
    def url(self) -> str:
        return self.base + PATH

    @property
    def port(self) -> int:
        return int(self.base.rsplit(":", 1)[1])

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [entry for entry in self.logs if entry["event"] == event]

    async def execute(self, request: posting.Request, path: str = PATH, **headers: str) -> tuple[int, dict[str, str]]:
        """Post a request with changed headers ("-" removes one). Returns status and JSON."""
        changed = request.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in changed.items() if value != "-"}
        async with self.session.post(self.base + path, data=request.body, headers=sent) as response:
            if response.status == 503:
                assert int(response.headers["Retry-After"]) > 0
            return response.status, await response.json()

    async def raw(self, data: bytes, patience_s: float = 20) -> bytes:
        """Send bytes and return the answer; empty without one within `patience_s`, as to half a request."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            return await asyncio.wait_for(reader.readuntil(b"}"), patience_s)
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError):
            return b""
        finally:
            await hang_up(writer)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a connection and wait until it is closed."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def serving(
    redis_url: str,
    until_logged: str = "redis_healthy",
    reload_settings: Callable[[], IngestSettings] | None = None,
    **options: Any,
) -> AsyncIterator[Ingest]:
    """A receiver that has logged `until_logged`. It stops at the end; an error in its log fails the test."""
    stopping = Stopping()
    stopping.is_interactive = True
    with capture_logs() as logs:
        task = asyncio.create_task(app.serve(settings(redis_url, **options), stopping, reload_settings))
        try:
            await until(lambda: task.done() or {"listening", until_logged} <= {entry["event"] for entry in logs})
            if task.done():
                task.result()
            (start,) = [entry for entry in logs if entry["event"] == "listening"]
            async with aiohttp.ClientSession() as session:
                yield Ingest(start["urls"][0].removesuffix(PATH), start["ops"], session, stopping, logs)
        finally:
            stopping.set()
            await task
    errors = [entry for entry in logs if entry["log_level"] in ("error", "critical") or entry.get("exc_info")]
    assert not errors, errors


def signed(event_type: str = "response.completed", **data: Any) -> posting.Request:
    """A fresh signed event."""
    return posting.signed_request(KEY, event_body(event_type, data))


async def command(*arguments: str, stdin: bytes = b"", **environ: str) -> tuple[int, str, str]:
    """Run `hookbus-ingest` as a process: exit code, standard output, standard error."""
    if url := environ.get("HOOKBUS_REDIS_URL"):
        environ["HOOKBUS_REDIS_URL"] = users.login(url, "hookbus-ingest", *arguments)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hookbus.ingest",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"} | environ,
    )
    out, err = await process.communicate(stdin)
    assert process.returncode is not None
    assert b"Traceback" not in err
    return process.returncode, out.decode(), err.decode()

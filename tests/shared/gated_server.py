"""An HTTP server whose responses wait for a gate, and connections to it."""

import asyncio
import contextlib

from aiohttp import web

from hookbus.shared.http_connection import GaveWayError, prove
from hookbus.shared.http_server import Limits, Server

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
PROOF = b"GET /proof HTTP/1.1\r\nHost: x\r\n\r\n"


class GatedServer:
    """A server whose responses wait for `gate`. `counted` holds the error codes that it counted."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.counted: list[str] = []
        self.size = 1
        self.server: Server
        self.port = 0

    async def answer(self, request: web.BaseRequest) -> web.Response:
        if request.path == "/fault":
            raise RuntimeError("a fault of ours")
        if request.path == "/proof":
            prove(request)
        try:
            await request.read()
        except GaveWayError:
            self.counted.append("gave way")
        await self.gate.wait()
        return web.Response(text="x" * self.size + "}")

    async def connect(self, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        return reader, writer


@contextlib.asynccontextmanager
async def gated_server(**limits):
    running = GatedServer()
    running.server = Server(running.answer, Limits(**limits), running.counted.append)
    runner = web.ServerRunner(running.server, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    running.port = runner.addresses[0][1]
    try:
        yield running
    finally:
        await runner.cleanup()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()

"""Counts the round trips of a program to Redis from outside: a proxy that sees only when each side sends.

A pipeline is one round trip however many commands it holds, if Redis replies after all of them have arrived; one that
is longer than a socket's buffer counts as a few.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Final

from tests.gone import PEER_GONE

CHUNK_BYTES: Final = 256 * 1024


class RoundTrips:
    """A proxy before a server's socket. `count` grows by one each time that a connection sends after a reply."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.url = ""
        self.count = 0

    async def __aenter__(self) -> "RoundTrips":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        far_reader, far_writer = await asyncio.open_unix_connection(str(self._target))
        ends = {writer, far_writer}
        self._writers |= ends
        asked = asyncio.Event()
        ways = self._pump(reader, far_writer, asked), self._pump(far_reader, writer, asked, is_reply=True)
        pumps = [asyncio.ensure_future(way) for way in ways]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.close()
        await asyncio.wait(pumps)
        self._writers -= ends

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        asked: asyncio.Event,
        *,
        is_reply: bool = False,
    ) -> None:
        with contextlib.suppress(*PEER_GONE):
            while chunk := await reader.read(CHUNK_BYTES):
                if is_reply:
                    asked.clear()
                elif not asked.is_set():
                    asked.set()
                    self.count += 1
                writer.write(chunk)
                await writer.drain()

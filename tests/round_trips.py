"""Counts the round trips of a program to Redis from outside: a proxy that sees only when each side sends.

A pipeline is one round trip however many commands it holds, also if Redis replies to the first ones before the last
ones have arrived: what comes in the middle of a command begins none.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Final

import hiredis

from tests.gone import PEER_GONE

CHUNK_BYTES: Final = 256 * 1024


class RoundTrips:
    """A proxy before a server's socket. `count` grows by one each time that a connection begins to send commands and
    has the replies to all before."""

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
        open_ = _Open()
        ways = self._pump(reader, far_writer, open_), self._pump(far_reader, writer, open_, is_reply=True)
        pumps = [asyncio.ensure_future(way) for way in ways]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.close()
        await asyncio.wait(pumps)
        self._writers -= ends

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, open_: "_Open", *, is_reply: bool = False
    ) -> None:
        with contextlib.suppress(*PEER_GONE):
            while chunk := await reader.read(CHUNK_BYTES):
                if is_reply:
                    open_.commands -= _whole(open_.replies, chunk)
                else:
                    self.count += not open_.commands and not open_.requests.has_data()
                    open_.commands += _whole(open_.requests, chunk)
                writer.write(chunk)
                await writer.drain()


class _Open:
    """What one connection has asked: commands without a reply, and what has come of the next command and reply."""

    def __init__(self) -> None:
        self.commands = 0
        self.requests, self.replies = hiredis.Reader(), hiredis.Reader()


def _whole(reader: hiredis.Reader, chunk: bytes) -> int:
    """How many commands, or replies, are complete with this part."""
    reader.feed(chunk)
    count = 0
    while reader.gets() is not False:
        count += 1
    return count

"""A TCP proxy between the programs and Redis that breaks connections and data."""

import asyncio
import contextlib
import struct
from socket import SO_LINGER, SOL_SOCKET
from typing import Final

from tests.gone import PEER_GONE

CHUNK_BYTES: Final = 16 * 1024


class FaultProxy:
    """Passes bytes to a port of this machine. Attributes set the faults, and take effect at once."""

    def __init__(self, target: int) -> None:
        self.target = target
        """The port for new connections."""
        self._server: asyncio.Server | None = None
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._silent: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.latency_s = 0.0
        """Added to each chunk, each way."""
        self.bytes_per_s = 0.0
        """Bandwidth of each connection and way; 0 for no limit."""
        self.resets_left = 0
        """How many further replies are cut in their middle, with a reset of the connection."""

    async def start(self) -> "FaultProxy":
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def close(self) -> None:
        """Cut all connections and stop listening."""
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks)

    def cut(self) -> int:
        """Reset all connections. Returns how many."""
        pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            _reset(*pair)
        return len(pairs)

    def silence(self) -> int:
        """Leave all connections half-open: neither side receives anything again. New ones work. Returns how many."""
        self._silent.update(writer for pair in self._pairs for writer in pair)
        return len(self._pairs)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _reset(writer)
            return
        pair = writer, far_writer
        self._pairs.add(pair)
        ways = [self._pump(reader, far_writer, pair), self._pump(far_reader, writer, pair, is_reply=True)]
        pumps = [asyncio.ensure_future(way) for way in ways]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        self._pairs.discard(pair)
        self._silent.difference_update(pair)
        for end in pair:
            end.close()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
        *,
        is_reply: bool = False,
    ) -> None:
        with contextlib.suppress(*PEER_GONE):
            while chunk := await reader.read(CHUNK_BYTES):
                if self.latency_s:
                    await asyncio.sleep(self.latency_s)
                if self.bytes_per_s:
                    await asyncio.sleep(len(chunk) / self.bytes_per_s)
                if writer in self._silent:
                    continue
                if is_reply and self.resets_left and len(chunk) > 1:
                    self.resets_left -= 1
                    writer.write(chunk[: len(chunk) // 2])
                    await writer.drain()
                    _reset(*pair)
                    return
                writer.write(chunk)
                await writer.drain()


def _reset(*writers: asyncio.StreamWriter) -> None:
    """Close with RST, which loses bytes on their way."""
    for writer in writers:
        sock = writer.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

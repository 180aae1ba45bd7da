"""Clients that hold resources: idle connections, half heads, half bodies, endless bodies."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from tests.chaos.clients import hostile
from tests.gone import PEER_GONE

PIECE: Final = 64 * 1024
LARGE_BYTES: Final = 8 * 1024 * 1024
"""Bytes that a client sends of an endless body, unless it is stopped."""
DROP_S: Final = 0.25
"""Between two bytes of a slow client."""
DROPS: Final = 60
"""Bytes after which a slow client gives up: 15 s."""
PAUSE_S: Final = 3.0
"""At most, before it connects again."""


class ResourceHogs:
    """All clients of one scenario. `answers` counts statuses; `held_s` are the durations of slow connections."""

    def __init__(self, port: int, rng: random.Random) -> None:
        self._port = port
        self._rng = rng
        self._idle: list[asyncio.StreamWriter] = []
        self.answers: Counter[str] = Counter()
        self.held_s: list[float] = []
        self._changed = asyncio.Event()

    async def be_idle(self, count: int) -> None:
        """Open connections, send one request on each, and keep them until `leave`."""
        for _ in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            self.answers[(await reader.readuntil(b"}"))[9:12].decode()] += 1
            self._idle.append(writer)

    async def leave(self) -> None:
        """Close the idle connections."""
        for writer in self._idle:
            writer.transport.abort()

    async def until_answered(self, statuses: frozenset[str]) -> None:
        """Wait until each of these statuses was received."""
        while not self.answers.keys() >= statuses:
            self._changed.clear()
            await self._changed.wait()

    def _count(self, status: str) -> None:
        self.answers[status] += 1
        self._changed.set()

    async def be_slow(self, is_over: Callable[[], bool]) -> None:
        """Repeat: send a head byte by byte, or the beginning of a body at once and the rest byte by byte."""
        while not is_over():
            await asyncio.sleep(self._rng.random() * PAUSE_S)
            head = hostile.post({"webhook-id": "slow"}, b"").replace(b"Content-Length: 0", b"Content-Length: 1000000")
            start = head[:20] if self._rng.random() < 0.5 else head + b"x" * 900_000
            await self._hold(start, b"y" * DROPS)

    async def _hold(self, start: bytes, rest: bytes) -> None:
        began_at = time.monotonic()
        with contextlib.suppress(*PEER_GONE):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            answer = asyncio.ensure_future(reader.read())
            try:
                writer.write(start)
                for byte in rest:
                    await asyncio.wait((answer,), timeout=DROP_S)
                    if answer.done():
                        break
                    writer.write(bytes([byte]))
                if answer.done():
                    self._count(answer.result()[9:12].decode() or "closed")
            finally:
                answer.cancel()
                writer.transport.abort()
        self.held_s.append(time.monotonic() - began_at)

    async def be_large(self, is_over: Callable[[], bool]) -> None:
        """Repeat: send a chunked body that is much too large, and one that would be, inflated."""
        chunk = b"%x\r\n%b\r\n" % (PIECE, b"z" * PIECE)
        head = hostile.post({"webhook-id": "large"}, b"")
        endless = [head.replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"), *[chunk] * (LARGE_BYTES // PIECE)]
        bomb = [hostile.post({"webhook-id": "large"}, hostile.BOMB, "Content-Encoding: gzip")]
        while not is_over():
            for pieces in (endless, bomb):
                with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                    await self._pour(pieces)
            await asyncio.sleep(DROP_S)

    async def _pour(self, pieces: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        answer = asyncio.ensure_future(reader.readuntil(b"}"))
        try:
            with contextlib.suppress(*PEER_GONE):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    if answer.done():
                        break
            async with asyncio.timeout(5):
                self._count((await answer)[9:12].decode())
        except TimeoutError:
            self._count("no answer")
        finally:
            answer.cancel()
            writer.transport.abort()

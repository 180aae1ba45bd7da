"""Sends prepared messages at a steady rate, and records the times. An open loop: a slow response delays nothing.

The time of a message is that of its call to `send`, even if a connection was free only later.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from tests.wait import until

CONNECTIONS: Final = 64
LATE_S: Final = 30.0
"""Longest wait for the last responses."""


class RawConnection(asyncio.Protocol):
    """One connection, with at most one unanswered message."""

    def __init__(self, is_done: Callable[["RawConnection"], None], is_whole: Callable[[bytes], bool]) -> None:
        self._is_done = is_done
        self._is_whole = is_whole
        self._answer = b""
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if self._is_whole(self._answer):
            self._answer = b""
            self._is_done(self)


class Pacer:
    """Some connections to one port. `begins` is the start of every good response; `is_whole` detects its end."""

    def __init__(self, port: int, begins: bytes, is_whole: Callable[[bytes], bool]) -> None:
        self._port = port
        self._begins = begins
        self._is_whole = is_whole
        self._idle: deque[RawConnection] = deque()
        self._waiting: deque[bytes] = deque()
        self._open = 0
        self.bad: list[bytes] = []
        """Responses with another start."""

    async def connect(self, connections: int = CONNECTIONS) -> "Pacer":
        """Open the connections."""
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, line = await loop.create_connection(
                lambda: RawConnection(self._done, self._whole), "127.0.0.1", self._port
            )
            self._idle.append(line)
        return self

    def send(self, message: bytes) -> int:
        """Send on a free connection, or as soon as one is free; returns the current time in ns of CLOCK_MONOTONIC."""
        self._open += 1
        now_ns = time.monotonic_ns()
        if self._idle:
            self._idle.popleft().transport.write(message)
        else:
            self._waiting.append(message)
        return now_ns

    async def answered(self) -> None:
        """Wait for all responses. Raises AssertionError when some are missing, and RuntimeError for a bad one."""
        await until(lambda: not self._open, LATE_S, "answers to all that was sent")
        if self.bad:
            raise RuntimeError(f"{len(self.bad)} bad answers, the first: {self.bad[0]!r}")

    def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.popleft().transport.abort()

    def _whole(self, answer: bytes) -> bool:
        if not self._is_whole(answer):
            return False
        if not answer.startswith(self._begins):
            self.bad.append(answer)
        return True

    def _done(self, line: RawConnection) -> None:
        self._open -= 1
        if self._waiting:
            line.transport.write(self._waiting.popleft())
        else:
            self._idle.append(line)


async def steadily(sends: Sequence[Callable[[], None]], rate: float) -> None:
    """Call each when it is due, `rate` a second."""
    began = time.monotonic()
    for number, send in enumerate(sends):
        wait_s = began + number / rate - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        send()


def http(port: int) -> Pacer:
    """For POSTs to ingest, whose responses contain one closing brace, at the end."""
    return Pacer(port, b"HTTP/1.1 200", lambda answer: answer.endswith(b"}"))

"""A quarantine process as its worker sees it: start it, give it one suspect at a time, notice its end.

Its end is seen at the socket, and by asking for its exit code: another process that a handler forked may keep the
socket open.
"""

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from ...shared.undecodable import UNDECODABLE
from .launch import Launch
from .messages import LIMIT_BYTES, Answer, Order, Ready, line

START_S: Final = 120.0
"""How long a child may take to import the apps and connect to Redis (a guess: some apps import models)."""
POLL_S: Final = 0.5
"""Between two looks at the exit code of a child."""

Message = TypeVar("Message", Ready, Answer)

_read_ready = msgspec.json.Decoder(Ready).decode
_read_answer = msgspec.json.Decoder(Answer).decode


class ChildEndedError(Exception):
    """The child ended, did not become ready in time, or said what cannot be read."""


class Child:
    """One quarantine process. To be used by one caller at a time."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._process: subprocess.Popen[bytes] | None = None
        self._reader = asyncio.StreamReader()
        self._writer: asyncio.StreamWriter | None = None
        self.consumer = ""
        """Its name in the groups, once it is ready."""
        self.runs = 0
        """How many suspects it was given."""

    async def start(self) -> None:
        """Start it and wait until it is ready. Raises OSError, ChildEndedError."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = self._launch.start(theirs.fileno())
            except BaseException:
                ours.close()
                raise
        self._reader, self._writer = await asyncio.open_unix_connection(sock=ours, limit=LIMIT_BYTES)
        try:
            async with asyncio.timeout(START_S):
                self.consumer = _read(_read_ready, await self._receive()).consumer
        except TimeoutError:
            self._process.kill()  # it has nothing in hand
            raise ChildEndedError(f"not ready after {START_S:g} s") from None

    async def run(self, order: Order) -> Answer:
        """Have it run a suspect. Raises ChildEndedError; then the suspect is pending for the child or for its owner."""
        assert self._writer is not None
        self.runs += 1
        with contextlib.suppress(OSError):  # the end is detected below
            self._writer.write(line(order))
            await self._writer.drain()
        return _read(_read_answer, await self._receive())

    def drain(self) -> None:
        """Tell it to finish what it runs, and to end. It can still answer."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write_eof()

    def close(self) -> None:
        """Close the socket. It ends by itself, if it has not ended yet."""
        if self._writer is not None:
            self._writer.close()

    def has_ended(self) -> bool:
        """Whether its process has ended, or never began."""
        return self._process is None or self._process.poll() is not None

    async def ended(self) -> None:
        """Wait for the end of its process."""
        while not self.has_ended():  # noqa: ASYNC110 - nothing in this process sets an event then
            await asyncio.sleep(POLL_S / 10)

    async def _receive(self) -> bytes:
        reading = asyncio.ensure_future(self._reader.readline())
        try:
            while not reading.done():
                was_over = self.has_ended()
                await asyncio.wait((reading,), timeout=POLL_S)
                if was_over:
                    break
            if reading.done() and (text := reading.result()).endswith(b"\n"):
                return text
        except (OSError, ValueError):
            pass  # it ended while it wrote
        finally:
            reading.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_S * 2):  # its socket was closed: it is about to end
                await self.ended()
        assert self._process is not None
        raise ChildEndedError(_how(self._process.returncode))


def _read(decode: Callable[[bytes], Message], text: bytes) -> Message:
    try:
        return decode(text)
    except UNDECODABLE as error:
        raise ChildEndedError(f"it said what cannot be read: {error}") from error


def _how(code: int | None) -> str:
    """How a process ended, from its exit code as `subprocess` has it."""
    if code is None:
        return "it closed its socket"
    return f"exit code {code}" if code >= 0 else f"signal {-code}"

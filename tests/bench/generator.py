"""The load generator for machines without wrk: 64 connections, each with one request at a time.

python -m tests.bench.generator PORT FILE BYTES_OF_EACH SECONDS
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import uvloop

from tests.bench.load import CONNECTIONS


class Runtime(asyncio.Protocol):
    """One connection: it sends the next request after the response to the last one."""

    def __init__(self, requests: Iterator[bytes], counts: dict[str, int]) -> None:
        self._requests = requests
        self._counts = counts
        self._answer = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, rest = self._answer.partition(b"\r\n\r\n")
        if not end or len(rest) < content_length(head):
            return
        self._counts["requests"] += 1
        self._counts["failed"] += not head.startswith(b"HTTP/1.1 200")
        self._answer = b""
        self._transport.write(next(self._requests))

    def connection_lost(self, error: Exception | None) -> None:
        self._counts["failed"] += error is not None


def content_length(head: bytes) -> int:
    """The body length that the head of a response declares."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def run(port: int, requests: list[bytes], seconds: float) -> dict[str, float]:
    """Send for so many seconds; returns the counts."""
    counts = {"requests": 0, "failed": 0}
    loop, source = asyncio.get_running_loop(), cycle(requests)
    began = time.perf_counter()
    runtimes = [
        (await loop.create_connection(lambda: Runtime(source, counts), "127.0.0.1", port))[0]
        for _ in range(CONNECTIONS)
    ]
    await asyncio.sleep(seconds)
    totals = counts | {"seconds": time.perf_counter() - began}
    for transport in runtimes:
        transport.abort()
    return totals


def main() -> None:
    """Read the requests, then send them."""
    port, file, size, seconds = int(sys.argv[1]), Path(sys.argv[2]).read_bytes(), int(sys.argv[3]), float(sys.argv[4])
    requests = [file[i : i + size] for i in range(0, len(file), size)]
    print(json.dumps(uvloop.run(run(port, requests, seconds))))


if __name__ == "__main__":
    main()

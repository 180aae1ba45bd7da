"""A process of hostile clients: `python -m tests.chaos.clients.attack PORT SEED COUNT` prints the answers.

Each connection pipelines well-formed forgeries, cut at random, and ends with bytes that are hardly HTTP.
"""

import asyncio
import contextlib
import json
import random
import re
import sys
from collections import Counter
from typing import Final

import uvloop

from tests.chaos.clients import hostile
from tests.gone import PEER_GONE

PIPELINED: Final = 19
"""Forgeries on one connection, before the bytes that end it."""
CLIENTS: Final = 48
PATIENCE_S: Final = 0.3
"""For the answers to bytes that may be an incomplete request, for which the server rightly waits."""
LAST: Final = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


async def attack(port: int, rng: random.Random, count: int) -> Counter[str]:
    """Send so many requests. Returns how often each status was received."""
    answers: Counter[str] = Counter()
    turns = iter(range(count // (PIPELINED + 1)))

    async def client(own: random.Random) -> None:
        for _ in turns:
            try:
                await connection(port, own, answers)
            except (*PEER_GONE, asyncio.IncompleteReadError) as error:
                answers[type(error).__name__] += 1

    await asyncio.gather(*(client(random.Random(rng.getrandbits(64))) for _ in range(CLIENTS)))
    return answers


async def connection(port: int, rng: random.Random, answers: Counter[str]) -> None:
    """Send the requests of one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        data = b"".join(hostile.structured(rng) for _ in range(PIPELINED))
        cut = rng.randrange(len(data))
        writer.write(data[:cut])
        await asyncio.sleep(0)
        writer.write(data[cut:])
        for _ in range(PIPELINED):
            head = await reader.readuntil(b"\r\n\r\n")
            answers[_status(head)] += 1
            length = re.search(rb"(?i)content-length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
        writer.write(hostile.raw(rng) + LAST)
        with contextlib.suppress(TimeoutError):
            for status in _STATUS.findall(await asyncio.wait_for(reader.read(), PATIENCE_S)):
                answers[status.decode()] += 1
    finally:
        writer.transport.abort()


def _status(head: bytes) -> str:
    match = _STATUS.match(head)
    return match[1].decode() if match else "not HTTP"


if __name__ == "__main__":
    port, seed, count = map(int, sys.argv[1:])
    print(json.dumps(uvloop.run(attack(port, random.Random(seed), count))))

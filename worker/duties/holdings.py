"""What dead consumers hold of the streams of a group: what a takeover reads before it claims.

Two round trips, however many consumers have died: one XPENDING per stream tells who holds how many entries, and one
more per stream and dead consumer that holds some tells which of them are suspects.
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...shared.connection import Redis
from ...shared.pipelined import execute_all
from ...shared.raw_connection import Command
from ..api.delivery import FIRST_SUSPICION

ENTRIES_READ: Final = 1000
"""Pending entries of one holding that are read: more than a consumer has in flight of a type by default."""
MAX_READ: Final = 10_000
"""Pending entries read in one round: far more than a worker has places, and some milliseconds of Redis' time."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What one dead consumer holds of one stream: entries that are no suspects, and suspects."""

    stream: str
    consumer: str
    ordinary: int
    suspects: int


@dataclass(frozen=True, slots=True)
class Held:
    """The holdings that were read; how many entries each dead consumer holds; the error of each refused stream."""

    holdings: Sequence[Holding]
    counts: Mapping[str, int]
    refused: Mapping[str, Exception]


async def read(client: Redis, group: str, streams: Sequence[str], dead: Iterable[str]) -> Held:
    """Read what the dead hold. Raises ConnectionError, TimeoutError of redis-py.

    In random order, so that workers that claim at the same time rarely race for the same entries, and so that no
    holding waits for ever behind others that nobody may claim.
    """
    dead = frozenset(dead)
    replies = await execute_all(client, [("XPENDING", stream, group) for stream in streams], raises=False)
    refused = {s: reply for s, reply in zip(streams, replies, strict=True) if isinstance(reply, Exception)}
    held = [
        (stream, consumer, count)
        for stream, reply in zip(streams, replies, strict=True)
        if stream not in refused
        for consumer, count in _counts(reply)
        if consumer in dead
    ]
    random.shuffle(held)
    holdings = await _divided(client, group, held)
    counts: Counter[str] = Counter()
    for _, consumer, count in held:
        counts[consumer] += count
    return Held(holdings, counts, refused)


def _counts(reply: Sequence[Any]) -> list[tuple[str, int]]:
    """Consumer and number of its pending entries, from the reply of XPENDING without a range."""
    return [(consumer.decode(), int(count)) for consumer, count in reply[3] or ()]


async def _divided(client: Redis, group: str, held: Sequence[tuple[str, str, int]]) -> list[Holding]:
    """The holdings, each with its suspects apart, as far as MAX_READ permits."""
    chosen: list[Command] = []
    count_read = 0
    for stream, consumer, count in held:
        if count_read >= MAX_READ:
            break
        chosen.append(("XPENDING", stream, group, "-", "+", min(count, ENTRIES_READ), consumer))
        count_read += min(count, ENTRIES_READ)
    holdings = []
    for command, reply in zip(chosen, await execute_all(client, chosen, raises=False), strict=True):
        if isinstance(reply, Exception):
            continue  # the stream vanished since
        suspects = sum(times_delivered >= FIRST_SUSPICION - 1 for _, _, _, times_delivered in reply)
        holdings.append(Holding(str(command[1]), str(command[6]), len(reply) - suspects, suspects))
    return holdings

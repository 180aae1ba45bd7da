"""Data of layout 1, as its last commit (997b020) left them: `tests/data/layout_1.redis`, commands as `redis-cli` reads
them.

Two shards, two groups, no program alive. `billing` has parked retries and snoozes, dead letters, two redriven ones, a
paused type, an open breaker, deliveries of dead consumers and of the handover, a suspect with a death that it certainly
caused, and a type that it no longer subscribes to; `audit`, which reads all types, has dead letters, replays, and a
backlog.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from redis.asyncio import Redis

FILE: Final = Path(__file__).parent / "data/layout_1.redis"
_ARGUMENT: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')


def commands() -> Iterator[list[bytes]]:
    """The commands in order."""
    for line in FILE.read_text("ascii").splitlines():
        yield [
            plain.encode() if plain else quoted.encode().decode("unicode_escape").encode("latin-1")
            for quoted, plain in _ARGUMENT.findall(line)
        ]


async def load(client: Redis) -> None:
    """Write the data into an empty Redis."""
    pipeline = client.pipeline(transaction=False)
    for command in commands():
        pipeline.execute_command(*command)
    await pipeline.execute()

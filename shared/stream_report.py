"""The state of the streams of all types: whether they accept events, and how far their ids are.

Costs two commands for each type, some hundreds of them a round trip.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from redis.exceptions import ResponseError

from .connection import Redis, refusal_code
from .keys import Keys
from .pipelined import execute_all

TYPES: Final = 250
"""Most types in one round trip; XINFO STREAM returns two events of each, of a megabyte at most."""
USED_UP: Final = f"{2**64 - 1}-{2**64 - 1}".encode()


class SeenStream(msgspec.Struct, frozen=True):
    """The state of one stream. `last_ms` is that of its last id, 0 if it has none or the user may not read it; `error`
    is Redis' error if the key is not a stream."""

    key: str
    error: str = ""
    last_ms: int = 0
    is_used_up: bool = False


async def fetch(client: Redis, shards: Sequence[Keys]) -> list[SeenStream]:
    """The state of every stream. Raises RedisError, OSError."""
    seen: list[SeenStream] = []
    for shard in shards:
        names = sorted(await client.execute_command("SMEMBERS", shard.types))
        streams = [shard.stream(name.decode()) for name in names]
        for first in range(0, len(streams), TYPES):
            seen += await _part(client, streams[first : first + TYPES])
    return seen


async def _part(client: Redis, streams: Sequence[str]) -> list[SeenStream]:
    commands = [command for stream in streams for command in (("XLEN", stream), ("XINFO", "STREAM", stream))]
    replies = await execute_all(client, commands, raises=False)
    return [_seen(stream, *replies[2 * i : 2 * i + 2]) for i, stream in enumerate(streams)]


def _seen(stream: str, length: object, info: Any) -> SeenStream:
    if isinstance(length, ResponseError) and refusal_code(length) == "WRONGTYPE":
        return SeenStream(stream, str(length))
    if isinstance(info, Exception):  # forbidden, as to ingest's user, or gone meanwhile
        return SeenStream(stream)
    last: bytes = dict(zip(info[::2], info[1::2], strict=True))[b"last-generated-id"]
    return SeenStream(stream, last_ms=int(last.partition(b"-")[0]), is_used_up=last == USED_UP)

"""The pauses in Redis: of all groups in one hash per shard. The duty `paused` applies them."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from ...shared import scripts
from ...shared.connection import Redis
from ...shared.keys import Keys
from ...shared.pipelined import execute_all
from ...shared.undecodable import UNDECODABLE
from . import registry
from .suspensions import field

ALL: Final = "*"
REASON_CHARS: Final = 200
"""Longest reason kept: a line of `status`."""


class Paused(msgspec.Struct, frozen=True):
    """A pause since `since_ms`, Unix ms. `reason`: what its handler or operator gave, or ""."""

    since_ms: int = 0
    reason: str = ""


_decode: Final = msgspec.json.Decoder(Paused).decode


def decode(stored: bytes) -> Paused:
    """What cannot be read is a pause nevertheless."""
    try:
        return _decode(stored)
    except UNDECODABLE:
        return Paused()


async def fetch(client: Redis, shards: Sequence[Keys], group: str) -> dict[str, Paused]:
    """Return the paused patterns. Raises RedisError, OSError.

    All shards hold the same pauses unless a `pause` was interrupted; a pause in one of them counts.
    """
    return read(await execute_all(client, [("HGETALL", keys.paused) for keys in shards])).get(group, {})


def read(by_shard: Iterable[Sequence[bytes]]) -> dict[str, dict[str, Paused]]:
    """Group → pattern → pause, from the content of the hashes."""
    paused: dict[str, dict[str, Paused]] = {}
    for flat in by_shard:
        for name, stored in zip(flat[::2], flat[1::2], strict=True):
            group, _, pattern = name.decode().partition("|")
            paused.setdefault(group, {})[pattern] = decode(stored)
    return {group: dict(sorted(patterns.items())) for group, patterns in paused.items()}


async def write(client: Redis, shards: Sequence[Keys], group: str, pattern: str, reason: str = "") -> list[str]:
    """Pause a pattern; returns it unless it was paused before. Raises RedisError, OSError."""
    record = msgspec.json.encode(Paused(await registry.now_ms(client), reason[:REASON_CHARS]))
    calls = [scripts.Call(scripts.PAUSE, (keys.paused,), (field(group, pattern), record)) for keys in shards]
    added = await scripts.run_all(client, calls)
    for result in added:
        if isinstance(result, Exception):
            raise result
    return [pattern] if any(added) else []


async def erase(client: Redis, shards: Sequence[Keys], group: str, pattern: str) -> list[str]:
    """Resume a pattern, `ALL` for every paused one; returns the resumed patterns. Raises RedisError, OSError."""
    paused = await fetch(client, shards, group)
    chosen = [name for name in paused if pattern in (ALL, name)]
    if chosen:
        names = [field(group, name) for name in chosen]
        await execute_all(client, [("HDEL", keys.paused, *names) for keys in shards])
    return chosen

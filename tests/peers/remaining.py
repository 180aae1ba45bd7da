"""Finds jobs that are still in a Redis of any library: it searches keys and values alike for their names."""

from collections.abc import Collection
from typing import Final

from redis.asyncio import Redis

_READ: Final = {
    b"string": ("GET",),
    b"hash": ("HGETALL",),
    b"list": ("LRANGE", "0", "-1"),
    b"set": ("SMEMBERS",),
    b"zset": ("ZRANGE", "0", "-1"),
}
"""The command that reads a whole key, by type; a question leaves a few dozen small values."""


async def remaining(client: Redis, names: Collection[str]) -> set[str]:
    """Those of `names` that are in Redis. Entries of a stream that all its groups have acked do not count."""
    texts = []
    for key in await client.execute_command("KEYS", "*"):
        kind = await client.execute_command("TYPE", key)
        if kind == b"stream":
            texts += await _unfinished(client, key)
        elif kind in _READ:
            command, *rest = _READ[kind]
            texts.append(key + repr(await client.execute_command(command, key, *rest)).encode())
    return {name for name in names if any(_has(text, name) for text in texts)}


def _has(text: bytes, name: str) -> bool:
    """Whether the text has the name, and not only as the beginning of a longer one."""
    parts = text.split(name.encode())
    return any(not rest[:1].isdigit() for rest in parts[1:])


async def _unfinished(client: Redis, stream: bytes) -> list[bytes]:
    """The entries of a stream that some group has not read or acked; all if it has no group."""
    entries = {entry[0]: entry for entry in await client.execute_command("XRANGE", stream, "-", "+")}
    groups = [
        dict(zip(flat[::2], flat[1::2], strict=True))
        for flat in await client.execute_command("XINFO", "GROUPS", stream)
    ]
    unfinished = set() if groups else set(entries)
    for group in groups:
        pending = await client.execute_command("XPENDING", stream, group[b"name"], "-", "+", "10000")
        unfinished |= {row[0] for row in pending}
        unfinished |= {name for name in entries if _order(name) > _order(group[b"last-delivered-id"])}
    return [repr(entries[name]).encode() for name in unfinished if name in entries]


def _order(entry_id: bytes) -> tuple[int, int]:
    at_ms, _, number = entry_id.partition(b"-")
    return int(at_ms), int(number)

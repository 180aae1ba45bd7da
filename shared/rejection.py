"""The records of rejected requests in Redis, which ingest writes, and its tool and the console read.

A record holds the path and header names, but no header values, no query and no body.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from .connection import Redis
from .keys import HOME

MAX_KEPT: Final = 1000
"""In Redis; about a megabyte."""


class Rejection(msgspec.Struct, frozen=True):
    """A request that was refused, or (code `accepted`) served at a path that only resembles its source's. `source` is
    "" when no source has the path."""

    at_ms: int
    """Unix ms by ingest's clock."""
    code: str
    status: int
    source: str
    peer: str
    """The address that connected: behind a proxy, the proxy's."""
    reason: str
    skew_s: int | None
    """How far the sender's timestamp was ahead of ingest's clock; None without a readable one."""
    head_bytes: int
    body_bytes: int | None
    """As declared; None without a Content-Length."""
    headers: tuple[str, ...]
    """Names, in lower case."""
    left_out: int = 0
    """Refusals of this code just before that were not recorded, because there were too many."""
    path: str = ""
    """As received: percent-encoded, without the query."""


encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(Rejection).decode


class Page(NamedTuple):
    """Some of the records, newest first. `older`: the id after which the next page begins, "" for none."""

    rejections: Sequence[Rejection]
    unreadable: int
    older: str


async def read(client: Redis, since_ms: int, after: bytes = b"") -> list[tuple[bytes, Rejection]]:
    """Entry ids and rejections, oldest first: since a time (Unix ms), or after an entry. Raises RedisError, OSError."""
    start = b"(" + after if after else b"%d" % since_ms
    entries = await client.execute_command("XRANGE", HOME.rejections, start, "+", "COUNT", MAX_KEPT)
    return [(entry_id, decode(fields[1])) for entry_id, fields in entries]


async def page(client: Redis, count: int, before: str = "") -> Page:
    """The newest, or those before an entry; what is no record is counted. Raises RedisError, OSError."""
    end = f"({before}" if before else "+"
    entries = await client.execute_command("XREVRANGE", HOME.rejections, end, "-", "COUNT", count)
    found = [rejection for _, fields in entries if (rejection := _decoded(fields)) is not None]
    older = entries[-1][0].decode() if len(entries) == count else ""
    return Page(found, len(entries) - len(found), older)


def _decoded(fields: Sequence[bytes]) -> Rejection | None:
    try:
        return decode(fields[1])
    except msgspec.MsgspecError:
        return None

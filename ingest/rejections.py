"""Keeps the last rejections in Redis, to show why a sender's events do not arrive.

A record holds the path and header names, but no header values, no query and no body. A sender whose path matches its
source's only after normalization is served and recorded once, so that its URL can be corrected. Recording costs an
append and delays no response; a duty writes the records at most twice a second. Records that Redis does not accept at
once are dropped: they are worth neither memory nor a wait.
"""

import asyncio
from collections import deque
from typing import Final

import msgspec
from aiohttp import web

from ..shared import log
from ..shared.connection import FAULTS, Redis
from ..shared.header_names import NAMES
from ..shared.keys import HOME
from ..shared.pipelined import execute_all
from .refusal import Refusal
from .signature import LONGEST_TIMESTAMP

MAX_KEPT: Final = 1000
"""In Redis; about a megabyte."""
MAX_WAITING: Final = 200
"""As many as all codes together produce in two seconds (see `Throttle`)."""
PAUSE_S: Final = 0.5
MAX_HEADERS: Final = 50
HEADER_CHARS: Final = 64
PATH_CHARS: Final = 200
REASON_CHARS: Final = 200
TIMESTAMPS: Final = tuple(names.timestamp for names in NAMES.values())


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


def rejection(request: web.BaseRequest, refusal: Refusal, source: str, now_s: float, left_out: int) -> Rejection:
    """The record of a refused request. `left_out`: how many before it were not recorded."""
    names = dict.fromkeys(name.lower()[:HEADER_CHARS] for name in request.headers)
    return Rejection(
        at_ms=int(now_s * 1000),
        code=refusal.code,
        status=refusal.status,
        source=source,
        peer=request.remote or "",
        reason=str(refusal.__cause__ or "").removeprefix(f"{refusal.code}: ")[:REASON_CHARS],
        skew_s=_skew_s(next((text for name in TIMESTAMPS if (text := request.headers.get(name))), ""), now_s),
        head_bytes=sum(len(name) + len(value) + 4 for name, value in request.raw_headers),
        body_bytes=request.content_length,
        headers=tuple(names)[:MAX_HEADERS],
        left_out=left_out,
        path=request.rel_url.raw_path[:PATH_CHARS].encode("ascii", "backslashreplace").decode(),
    )


def _skew_s(timestamp: str, now_s: float) -> int | None:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < LONGEST_TIMESTAMP):
        return None
    return round(int(timestamp) - now_s)


class Rejections:
    """Collects the rejections of one process and writes them to Redis."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._waiting: deque[Rejection] = deque(maxlen=MAX_WAITING)
        self._wake = asyncio.Event()
        self._log = log.get("ingest.rejections")

    def record(self, rejection: Rejection) -> None:
        """Queue one to be written; it is dropped if Redis does not accept it."""
        self._waiting.append(rejection)
        self._wake.set()

    async def run(self) -> None:
        """Write queued rejections until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch = [encode(waiting) for waiting in self._waiting]
            self._waiting.clear()
            try:
                await self._write(batch)
            except FAULTS as error:
                self._log.debug("rejections_dropped", count=len(batch), reason=str(error) or type(error).__name__)
            await asyncio.sleep(PAUSE_S)

    async def _write(self, batch: list[bytes]) -> None:
        added = ("XADD", HOME.rejections, "MAXLEN", MAX_KEPT, "*", "rejection")
        await execute_all(self._client, [(*added, packed) for packed in batch])


async def read(client: Redis, since_ms: int, after: bytes = b"") -> list[tuple[bytes, Rejection]]:
    """Entry ids and rejections, oldest first: since a time (Unix ms), or after an entry. Raises RedisError, OSError."""
    start = b"(" + after if after else b"%d" % since_ms
    entries = await client.execute_command("XRANGE", HOME.rejections, start, "+", "COUNT", MAX_KEPT)
    return [(entry_id, decode(fields[1])) for entry_id, fields in entries]

"""Keeps the last refusals in Redis, for people who ask why a sender's deliveries do not arrive.

What was refused, not what was in it: the path, names of headers, never their values, no query and no body. A sender
whose path only looks like its source's is served, and kept once as such: its URL wants mending. Noting one costs an
append and delays no answer; a duty writes what has gathered, twice a second at most. What Redis does not take at once
is forgotten: a record of refusals is worth no memory, and no wait.
"""

import asyncio
from collections import deque
from typing import Final

import msgspec
from aiohttp import web

from ..shared import log
from ..shared.connection import FAULTS, Redis
from ..shared.keys import Keys
from ..shared.secret import TIMESTAMP
from .refusal import Refusal
from .signature import LONGEST_TIMESTAMP

MAX_KEPT: Final = 1000
"""In Redis; about a megabyte."""
MAX_WAITING: Final = 200
"""As many as all codes together may bring in two seconds (see `log.Throttle`)."""
PAUSE_S: Final = 0.5
MAX_HEADERS: Final = 50
HEADER_CHARS: Final = 64
PATH_CHARS: Final = 200
REASON_CHARS: Final = 200


class Rejection(msgspec.Struct, frozen=True):
    """A request that was refused, or (code `accepted`) served at a path that only looks right. `source` is "" when
    nobody's path was asked for."""

    at_ms: int
    """Unix ms by ingest's clock."""
    code: str
    status: int
    source: str
    peer: str
    """The address that connected: behind a proxy, the proxy's."""
    reason: str
    skew_s: int | None
    """How far the webhook-timestamp was ahead of ingest's clock; None when there was none that can be read."""
    head_bytes: int
    body_bytes: int | None
    """As declared; None when it was not."""
    headers: tuple[str, ...]
    """Names, in lower case."""
    left_out: int = 0
    """Refusals of this code just before that were not kept, since there were too many."""
    path: str = ""
    """As it came, percent-encoded and without the query."""


encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(Rejection).decode


def rejection(request: web.BaseRequest, refusal: Refusal, source: str, now_s: float, left_out: int) -> Rejection:
    """What is kept of a refused request."""
    names = dict.fromkeys(name.lower()[:HEADER_CHARS] for name in request.headers)
    return Rejection(
        at_ms=int(now_s * 1000),
        code=refusal.code,
        status=refusal.status,
        source=source,
        peer=request.remote or "",
        reason=str(refusal.__cause__ or "").removeprefix(f"{refusal.code}: ")[:REASON_CHARS],
        skew_s=_skew_s(request.headers.get(TIMESTAMP, ""), now_s),
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
    """Those of one process on their way to Redis."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._waiting: deque[Rejection] = deque(maxlen=MAX_WAITING)
        self._wake = asyncio.Event()
        self._log = log.get("ingest.rejections")

    def note(self, found: Rejection) -> None:
        """Have one kept, if that can be."""
        self._waiting.append(found)
        self._wake.set()

    async def run(self) -> None:
        """Write what was noted until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch = [encode(found) for found in self._waiting]
            self._waiting.clear()
            try:
                await self._write(batch)
            except FAULTS as error:
                self._log.debug("rejections_dropped", count=len(batch), reason=str(error) or type(error).__name__)
            await asyncio.sleep(PAUSE_S)

    async def _write(self, batch: list[bytes]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for packed in batch:
            pipeline.execute_command("XADD", Keys(0).rejections, "MAXLEN", MAX_KEPT, "*", "rejection", packed)
        await pipeline.execute()


async def read(client: Redis, since_ms: int, after: bytes = b"") -> list[tuple[bytes, Rejection]]:
    """Entry ids and rejections, oldest first: since a time (Unix ms), or after an entry. Raises RedisError, OSError."""
    start = b"(" + after if after else b"%d" % since_ms
    entries = await client.execute_command("XRANGE", Keys(0).rejections, start, "+", "COUNT", MAX_KEPT)
    return [(entry_id, decode(fields[1])) for entry_id, fields in entries]

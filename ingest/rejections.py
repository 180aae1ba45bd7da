"""Keeps the last rejections in Redis, to show why a sender's events do not arrive.

A record holds the path and header names, but no header values, no query and no body. A sender whose path matches its
source's only after normalization is served and recorded once, so that its URL can be corrected. Recording costs an
append and delays no response; a duty writes the records at most twice a second. Records that Redis does not accept at
once are dropped: they are worth neither memory nor a wait.
"""

import asyncio
from collections import deque
from typing import Final

from aiohttp import web

from ..shared import log
from ..shared.connection import FAULTS, Redis
from ..shared.header_names import NAMES
from ..shared.keys import HOME
from ..shared.pipelined import execute_all
from ..shared.rejection import MAX_KEPT, Rejection, encode
from .refusal import Refusal
from .signature import LONGEST_TIMESTAMP

MAX_WAITING: Final = 200
"""As many as all codes together produce in two seconds (see `Throttle`)."""
PAUSE_S: Final = 0.5
MAX_HEADERS: Final = 50
HEADER_CHARS: Final = 64
PATH_CHARS: Final = 200
REASON_CHARS: Final = 200
TIMESTAMPS: Final = tuple(names.timestamp for names in NAMES.values())


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

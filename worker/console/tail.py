"""The newest events of each filter that somebody looks at: read once a second at most, however many look.

Between two whole reads only what came since is read, so a quiet bus is asked for nothing that it has told before.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from ...shared.connection import Redis
from ..find import newest
from ..find.newest import ROWS, Chosen, Page, Place

EVERY_S: Final = 1.0
WHOLE_S: Final = 10.0
"""How long only newer events are added: one that Redis stored by a clock that was set back shows after it."""
MOST: Final = 20
"""Filters that are kept; the one that was asked for least recently goes."""


@dataclass(slots=True)
class _Kept:
    page: Page
    read_s: float
    whole_s: float
    """When all of it was read. Both are `time.monotonic`."""


class Tail:
    """The pages of this process."""

    def __init__(self, client: Redis, shards: int) -> None:
        self._client = client
        self._shards = shards
        self._turn = asyncio.Lock()
        self._kept: dict[Chosen, _Kept] = {}

    async def page(self, chosen: Chosen) -> Page:
        """The newest events, at most a second old. Raises ConfigError, RedisError, OSError."""
        async with self._turn:
            kept, now_s = self._kept.pop(chosen, None), time.monotonic()
            if kept is None or now_s - kept.whole_s >= WHOLE_S:
                kept = _Kept(await newest.older(self._client, self._shards, chosen), now_s, now_s)
            elif now_s - kept.read_s >= EVERY_S:
                page = await self._followed(chosen, kept.page)
                kept = _Kept(page, now_s, kept.whole_s)
            self._kept[chosen] = kept
            while len(self._kept) > MOST:
                del self._kept[next(iter(self._kept))]
            return kept.page

    async def _followed(self, chosen: Chosen, page: Page) -> Page:
        """The page with what came since; anew if that is more than a page."""
        if not page.events:
            return await newest.older(self._client, self._shards, chosen)
        top = page.events[0].place
        fresh = await newest.newer(self._client, self._shards, chosen, Place(top.ms, 0, 0, ""))
        if fresh.more:
            return await newest.older(self._client, self._shards, chosen)
        known = {each.place: each for each in (*page.events, *fresh.events)}
        events = sorted(known.values(), reverse=True)[:ROWS]
        more = events[-1].place if len(known) > ROWS else page.more
        return Page(events, more, page.read + fresh.read, page.unreadable, fresh.types, fresh.unusable)

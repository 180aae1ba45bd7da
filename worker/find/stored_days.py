"""Whether an event was stored, and on which day, from the day sets of the dedupe window.

A digest covers the source with the webhook-id, so the names of all sources are needed: those of the ingest processes,
and those that the last entry of each stream names. Nothing is told of an event older than the window.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from ...shared.connection import Redis
from ...shared.dedupe import DAY_MS, digest_of
from ...shared.keys import Keys
from ...shared.raw_connection import Command
from ..inventory.registry import execute_usable

LONGEST_WINDOW_DAYS: Final = 40
"""Day sets asked: more than a dedupe window has."""
AT_ONCE: Final = 20
"""Last entries read in one round trip: each may have a megabyte."""


async def sources(client: Redis, streams: Iterable[tuple[Keys, str]], unusable: dict[str, str]) -> set[str]:
    """The sources of the last event of each stream. Those that Redis refuses are added to `unusable`. Raises
    RedisError, OSError."""
    last: list[Command] = [("XREVRANGE", keys.stream(name), "+", "-", "COUNT", 1) for keys, name in streams]
    found = set()
    for reply in await execute_usable(client, last, unusable, at_once=AT_ONCE):
        if reply:
            values = dict(zip(reply[0][1][::2], reply[0][1][1::2], strict=True))
            found.add(values.get(b"src", b"").decode(errors="replace"))
    return found


async def fetch(
    client: Redis, keys: Keys, webhook_id: str, names: Iterable[str], now_ms: int, unusable: dict[str, str]
) -> list[tuple[str, int]]:
    """The sources that an event of this id was stored from, each with its day (since 1970). Days that Redis refuses
    are added to `unusable`. Raises RedisError, OSError."""
    today = now_ms // DAY_MS
    names = sorted(names)
    places = [(source, today + 1 - ago) for ago in range(LONGEST_WINDOW_DAYS + 1) for source in names]
    asked: list[Command] = [("SISMEMBER", keys.seen(day), digest_of(source, webhook_id)) for source, day in places]
    replies = await execute_usable(client, asked, unusable)
    return [place for place, is_there in zip(places, replies, strict=True) if is_there == 1]


def text_of(day: int) -> str:
    """A day for people: 2026-11-28."""
    return datetime.fromtimestamp(day * DAY_MS / 1000, UTC).date().isoformat()

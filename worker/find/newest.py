"""The stored events of all types, newest first, a page at a time; who they are and how large, never their bodies.

An entry's id is unique in one stream only, so a place names the stream, too. Bodies may be large, so one entry of each
stream is read first, and more of those that the page is taken from: each reply is bounded. Nothing is written.
"""

import re
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Self

import msgspec

from ...shared.connection import Redis
from ...shared.entry import parse
from ...shared.keys import Keys
from ...shared.patterns import matches
from ...shared.pipelined import execute_all
from ...shared.raw_connection import Command
from ...shared.times import LAST_MS
from ...shared.undecodable import UNDECODABLE
from ..inventory import registry
from ..inventory.registry import execute_usable

ROWS: Final = 50
"""Of a page: what a person looks through."""
MOST: Final = 2_000
"""Events that are looked through for a page of one source, however few of them are its own: some 50 ms."""
AT_ONCE: Final = 20
"""Streams read in one round trip."""
GROWTH: Final = 4
"""By how much more is read of a stream each time, until it is a page."""
REPLY_BYTES: Final = 1024 * 1024
"""Aim for the reply of one stream."""

_PLACE: Final = re.compile(r"([0-9]{1,20})-([0-9]{1,20}),([0-9]{1,6}),([A-Za-z0-9_.~-]{0,129})")
_ID_END: Final = 2**64


class Place(NamedTuple):
    """Where an event is: its entry's id, which Redis gave it when it stored it, its shard and type. In that order."""

    ms: int
    sequence: int
    shard: int
    type: str

    def __str__(self) -> str:
        return f"{self.ms}-{self.sequence},{self.shard},{self.type}"

    @classmethod
    def of(cls, text: str) -> Self:
        """The place of a text, as `str` makes it. Raises ValueError."""
        if (match := _PLACE.fullmatch(text)) is None:
            raise ValueError(f"{text!r} is no place of an event")
        ms, sequence, shard, event_type = match.groups()
        if max(int(ms), int(sequence)) >= _ID_END:
            raise ValueError(f"{text!r} is no place of an event")
        return cls(int(ms), int(sequence), int(shard), event_type)

    @property
    def inclusive(self) -> Self:
        """The place right after it: a page before that begins with it."""
        return self._replace(type=f"{self.type}~")  # a tilde comes after every character of a name

    @property
    def stored_ms(self) -> int:
        """When Redis stored it, Unix ms; what no calendar has becomes the last moment."""
        return min(self.ms, LAST_MS)


class Stored(NamedTuple):
    """An event without its body, which has `size` bytes."""

    place: Place
    webhook_id: str
    source: str
    size: int


class Chosen(NamedTuple):
    """Which events: of types by a pattern, "" for all, and of one source, "" for all."""

    pattern: str = ""
    source: str = ""


class Page(msgspec.Struct):
    """Some events, newest first. `more`: where to go on, None at the end. `read`: how many were looked through;
    `unreadable` of them are none that this release can read. `types`: all event types that are stored."""

    events: list[Stored] = msgspec.field(default_factory=list)
    more: Place | None = None
    read: int = 0
    unreadable: int = 0
    types: frozenset[str] = frozenset()
    unusable: dict[str, str] = msgspec.field(default_factory=dict)


async def older(client: Redis, configured_shards: int, chosen: Chosen, before: Place | None = None) -> Page:
    """The newest events before a place. Raises ConfigError, RedisError, OSError."""
    return await _page(client, configured_shards, chosen, before, is_back=True)


async def newer(client: Redis, configured_shards: int, chosen: Chosen, after: Place) -> Page:
    """The oldest events after a place, newest first; `more` is the newest of them. Raises as `older`."""
    page = await _page(client, configured_shards, chosen, after, is_back=False)
    page.events.reverse()
    return page


class _Cursor(msgspec.Struct):
    """The position reached in one stream: `ahead` are the events read and not yet taken, None for an unreadable one."""

    keys: Keys
    type: str
    is_back: bool
    at: str
    """The id of Redis' range where the next reply begins."""
    ahead: deque[tuple[Place, Stored | None]] = msgspec.field(default_factory=deque)
    count: int = 1
    is_done: bool = False

    def command(self) -> Command:
        stream = self.keys.stream(self.type)
        if self.is_back:
            return ("XREVRANGE", stream, self.at, "-", "COUNT", self.count)
        return ("XRANGE", stream, self.at, "+", "COUNT", self.count)

    def fill(self, entries: Sequence[tuple[bytes, Sequence[bytes]]]) -> None:
        self.is_done = len(entries) < self.count
        for entry_id, fields in entries:
            ms, _, sequence = entry_id.decode().partition("-")
            place = Place(int(ms), int(sequence), self.keys.shard, self.type)
            self.ahead.append((place, _stored(place, fields)))
        if entries:
            self.at = f"({entries[-1][0].decode()}"
            largest = max(sum(map(len, fields)) for _, fields in entries)
            self.count = max(1, min(ROWS, self.count * GROWTH, REPLY_BYTES // max(1, largest)))


async def _page(client: Redis, configured_shards: int, chosen: Chosen, place: Place | None, *, is_back: bool) -> Page:
    shards = await registry.shards(client, configured_shards)
    stored = await execute_all(client, [("SMEMBERS", keys.types) for keys in shards])
    streams = [(keys, name.decode()) for keys, names in zip(shards, stored, strict=True) for name in names]
    page = Page(types=frozenset(name for _, name in streams))
    cursors = [
        _Cursor(keys, name, is_back, _begin(keys, name, place, is_back=is_back))
        for keys, name in streams
        if not chosen.pattern or matches(chosen.pattern, name)
    ]
    first = max if is_back else min
    while await _fill(client, cursors, page.unusable):
        if len(page.events) == ROWS or page.read == MOST:
            return page
        taken = first((each for each in cursors if each.ahead), key=lambda each: each.ahead[0][0])
        page.more, event = taken.ahead.popleft()
        page.read += 1
        page.unreadable += event is None
        if event is not None and chosen.source in ("", event.source):
            page.events.append(event)
    page.more = None
    return page


async def _fill(client: Redis, cursors: Iterable[_Cursor], unusable: dict[str, str]) -> bool:
    """Read on where nothing is ahead; whether anything is."""
    empty = [each for each in cursors if not (each.ahead or each.is_done)]
    replies = await execute_usable(client, [each.command() for each in empty], unusable, AT_ONCE)
    for cursor, entries in zip(empty, replies, strict=True):
        cursor.fill(entries or ())
    return any(each.ahead for each in cursors)


def _begin(keys: Keys, event_type: str, place: Place | None, *, is_back: bool) -> str:
    """Where the range of a stream begins: with the id of a place only if the stream comes on this side of it."""
    if place is None:
        return "+" if is_back else "-"
    own = keys.shard, event_type
    is_included = own < place[2:] if is_back else own > place[2:]
    return f"{'' if is_included else '('}{place.ms}-{place.sequence}"


def _stored(place: Place, fields: Sequence[bytes]) -> Stored | None:
    try:
        entry = parse(fields)
    except (KeyError, *UNDECODABLE):
        return None  # hookbus did not write it
    return Stored(place, entry.webhook_id, entry.source, len(entry.body))

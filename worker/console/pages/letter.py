"""`/dead/{group}/{name}`: why a delivery died, its attempts, and its body as it was signed."""

from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import msgspec

from ....shared import shell
from ....shared.command import FailedError
from ....shared.undecodable import UNDECODABLE
from ...dlq.cursor import Position
from ...dlq.filter import Filter
from ...dlq.query import DeadLetters, Page, StoredLetter
from ...find import of_copy
from .. import json_view, parts, subscriptions, timeline
from ..asked import Asked, Context
from ..subscriptions import Subscription
from ..view import Download, View
from . import gone
from .event import FILE, MAX_ID, Row, groups_of

OLDER: Final = 8
"""Letters of the same cause that are named: enough to see whether they came in a row."""
SAME: Final = "others of its cause"
LIFE: Final = "its event in other groups"
HANDLER: Final = "its handler's options"
LIBRARY: Final = ("/site-packages/", "/dist-packages/", "/lib/python", "<frozen ")
"""Parts of the paths of files that are none of the application."""


class Beside(NamedTuple):
    """The letters of the same cause: the older ones, the next newer, and how many are newer, None for too many of one
    millisecond."""

    older: Page
    newer: Position | None
    newer_count: int | None


class _Envelope(msgspec.Struct):
    """Of a body, as far as it has them."""

    id: msgspec.Raw = msgspec.Raw(b"null")
    data: msgspec.Raw = msgspec.Raw(b"{}")


async def page(context: Context, asked: Asked) -> View:
    """Reads one letter, or what became of it; its event in other groups and others of its cause, where Redis tells."""
    store = await DeadLetters.open(context.client, context.shards)
    dead = await _letter(store, asked)
    if dead is None:
        return await gone.show(context, asked.path["group"], asked.path["name"])
    letter = dead.letter
    same = Filter(groups=(dead.group,), fingerprints=(letter.fingerprint,))
    place = dead.dead_lettered_ms, dead.name
    unasked = dict(context.look.beside.unasked)
    beside = await parts.read(SAME, _beside(store, same, place), unasked)
    older, newer, newer_count = beside or Beside(Page([], 0), None, None)
    now_ms = context.look.now_ms()
    is_raw = asked.query.get("body") == "raw"
    values: dict[str, Any] = {
        "dead": dead,
        "letter": letter,
        "frames": _frames(letter.traceback) if asked.sees_bodies else [],
        "ids": _ids(letter.body) if asked.sees_bodies else {},
        "handler": await parts.read(HANDLER, _handler(context, dead.group, letter.type), unasked),
        "marks": timeline.marks(letter),
        "attempts": list(zip(letter.history, timeline.waits(letter), strict=True)),
        "life": await parts.read(LIFE, _life(context, asked, dead, now_ms), unasked),
        "body": json_view.shown(letter.body, is_raw=is_raw) if asked.sees_bodies else None,
        "is_raw": is_raw,
        "older": older.letters,
        "newer": newer,
        "same_count": older.total,
        "number": None if newer_count is None else newer_count + 1,
        "send": shell.command(["hookbus-ingest", "send", "--body", FILE, "--source", letter.source]),
        "file": FILE,
        "same": "/dead?" + urlencode({"group": dead.group, "fingerprint": letter.fingerprint}),
        "show": shell.command(["hookbus-worker", "dlq", "show", dead.name, "--group", dead.group]),
        "now_ms": now_ms,
        "unasked": unasked,
    }
    return View("letter.html", values, f"{letter.type} {dead.name}", "/dead", is_live=False)


async def _beside(store: DeadLetters, same: Filter, place: tuple[int, str]) -> Beside:
    return Beside(await store.page(same, OLDER, place), *await store.newer(same, place))


async def _handler(context: Context, group: str, event_type: str) -> Subscription | None:
    """What runs the type in its group now; None where nothing does, or it is not known."""
    members = (await context.looker.processes()).workers
    patterns = context.look.bus.patterns.get(group, frozenset())
    return subscriptions.of_type(subscriptions.of_group(group, patterns, members), event_type)


def _ids(body: bytes) -> dict[str, str]:
    """The ids of the event and of the object that it tells of, as a body has them."""
    try:
        event = msgspec.json.decode(body, type=_Envelope)
        about = msgspec.json.decode(event.data, type=_Envelope)
        found = {"event": msgspec.json.decode(event.id), "object": msgspec.json.decode(about.id)}
    except UNDECODABLE:
        return {}
    return {name: text for name, text in found.items() if isinstance(text, str) and 0 < len(text) <= MAX_ID}


async def _life(context: Context, asked: Asked, dead: StoredLetter, now_ms: int) -> list[Row] | None:
    """The event in all groups; None where only a search would find it, or a page of others led here."""
    if not asked.is_asked_here:
        return None
    letter = dead.letter
    found = await of_copy.life(context.client, context.shards, dead.keys, letter.type, letter.entry())
    return groups_of(found.groups, now_ms) if found else None


async def body(context: Context, asked: Asked) -> Download:
    """The body, byte for byte. Raises ForbiddenError."""
    asked.require_bodies()
    dead = await _letter(await DeadLetters.open(context.client, context.shards), asked)
    if dead is None:
        raise FailedError(f"no dead letter {asked.path['name']}")
    return Download(dead.letter.body, FILE)


async def _letter(store: DeadLetters, asked: Asked) -> StoredLetter | None:
    """The letter of a path, None when it is gone. Raises FailedError for an unknown group or a letter it can't read."""
    group, name = asked.path["group"], asked.path["name"]
    store.require(group)
    try:
        found = await store.find(Filter(groups=(group,), names=(name,)))
    except FailedError:
        return None
    if not found:
        raise FailedError(f"this release can't read the dead letter {name}")
    return found[0]


def _frames(traceback: str) -> list[tuple[str, str]]:
    """The lines of a traceback, each with a class: a library's are dim, the application's last one stands out."""
    kinds: list[str] = []
    kind, last = "lib", None
    lines = traceback.splitlines()
    for i, line in enumerate(lines):
        if line.startswith("  File "):
            kind = "lib" if any(part in line for part in LIBRARY) else "app"
            last = i if kind == "app" else last
        elif not line.startswith(" "):
            kind = "app" if i else "lib"
        kinds.append(kind)
    if last is not None:
        kinds[last] = "app last"
    return list(zip(kinds, lines, strict=True))

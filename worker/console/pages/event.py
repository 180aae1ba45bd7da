"""`/event?id=`: where an event is, in every group."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from ....shared import shell
from ....shared.command import FailedError
from ... import audit
from ...audit import Entry
from ...find import words
from ...find.life import Dead, InGroup, Life, NotReached, NotSubscribed, StoredBeforeGroup
from .. import json_view, parts
from ..asked import Asked, Context, ForbiddenError
from ..json_view import Shown
from ..searches import BusyError
from ..sending import VERB, is_test
from ..view import Download, View
from .gone import ACTIONS

SIGNS: Final = {"good": "✓", "unsure": "?", "waits": "◷", "bad": "✕", "quiet": "·"}
COLOURS: Final = {"good": "ok", "unsure": "warn", "waits": "warn", "bad": "bad", "quiet": "dimmer"}
Row = tuple[str, str, str, str, str]
"""Group, sign, colour, state in words, and the name of its dead letter, "" for none."""
MAX_ID: Final = 255
"""Characters of an id; longer ones are no ids."""
MAX_BODIES: Final = 3
"""On a page: an id of a body may have twenty events, each with a page of its own."""
FILE: Final = "body.bin"
"""What a browser saves a body as."""


async def page(context: Context, asked: Asked) -> View:
    """Searches as `hookbus-worker find` does, without its options; not for a link in a page of others, which offers
    its id only, as any page can send many people there."""
    name = asked.query.get("id", "").strip()[:MAX_ID]
    found, problem = None, ""
    if name and asked.is_asked_here:
        try:
            found = await context.searches.find(context.client, context.shards, name)
        except BusyError as error:
            problem = str(error)
    now_ms = context.look.now_ms()
    is_raw = asked.query.get("body") == "raw"
    lives = [_shown(asked, name, life, now_ms, is_raw=is_raw) for life in found.lives] if found else []
    if len(lives) > MAX_BODIES:
        lives = [(life, rows, None, {}) for life, rows, _, _ in lives]
    unasked = dict(context.look.beside.unasked)
    senders = await _senders(context, found.lives if found else (), unasked)
    values: dict[str, Any] = {"name": name, "found": found, "lives": lives, "now_ms": now_ms, "is_raw": is_raw}
    values |= {"senders": senders, "unasked": unasked, "problem": problem, "words": words, "replayable": _replayable}
    values["further"] = shell.command(["hookbus-worker", "find", name, "--all"])
    status = 503 if problem else 404 if found is not None and not lives else 200
    return View(
        "event.html", values, f"Event {name}" if name else "Where is my event?", "/events", status, is_live=False
    )


async def _senders(context: Context, lives: Sequence[Life], unasked: dict[str, str]) -> Mapping[str, Entry]:
    """The actions by which operators sent those that are test events, by webhook-id."""
    ids = {life.subject.webhook_id for life in lives if is_test(life.subject.webhook_id)}
    if not ids:
        return {}
    entries = await parts.read("who sent test events", audit.fetch(context.client, ACTIONS), unasked)
    sent = [each for each in entries or () if each.verb == VERB]
    return {name: each for each in sent for name in ids.intersection(each.criteria.get("id", ()))}


def _shown(
    asked: Asked, name: str, life: Life, now_ms: int, *, is_raw: bool
) -> tuple[Life, list[Row], Shown | None, Mapping[str, str]]:
    """A life with its rows, its body as far as the person may see it, and where that leads; no links where Redis has no
    body of it any more."""
    subject, rows = life.subject, groups_of(life.groups, now_ms)
    if subject.entry is None:
        return life, rows, None, {}
    query = {"id": subject.webhook_id, "source": subject.source}
    links = {
        "by_values": "/event?" + urlencode({"id": name}, errors="replace"),
        "raw": "/event?" + urlencode({"id": name, "body": "raw"}, errors="replace"),
        "download": "/event/body?" + urlencode(query, errors="replace"),
    }
    body = json_view.shown(subject.entry.body, is_raw=is_raw) if asked.sees_bodies else None
    return life, rows, body, links


async def body(context: Context, asked: Asked) -> Download:
    """The body of an event, by its webhook-id and source, byte for byte. Raises ForbiddenError, and FailedError where
    there is none."""
    asked.require_bodies()
    name, source = asked.query.get("id", "")[:MAX_ID], asked.query.get("source", "")
    if not asked.is_asked_here:
        raise ForbiddenError("a link of another site led here: search for the event")
    found = await context.searches.find(context.client, context.shards, name)
    for subject in (life.subject for life in found.lives):
        if (subject.webhook_id, subject.source) == (name, source) and subject.entry is not None:
            return Download(subject.entry.body, FILE)
    raise FailedError(f"no body of the event {name} is here any more")


def _replayable(life: Life) -> set[str]:
    """The groups that have received the event while it is stored."""
    if life.subject.place is None:
        return set()
    never = NotSubscribed, StoredBeforeGroup, NotReached
    return {name for name, group in life.groups.items() if not any(isinstance(each, never) for each in group.states)}


def groups_of(groups: Mapping[str, InGroup], now_ms: int) -> list[Row]:
    """The rows of every group, by name."""
    return [row for name in sorted(groups) for row in _of_group(name, groups[name], now_ms)]


def _of_group(name: str, group: InGroup, now_ms: int) -> list[Row]:
    rows = []
    for state in group.states:
        text, tone = words.state(state, now_ms)
        rows.append((name, SIGNS[tone], COLOURS[tone], text, state.letter if isinstance(state, Dead) else ""))
    if left_out := words.left_out(group):
        rows.append((name, SIGNS["unsure"], COLOURS["unsure"], left_out, ""))
    return rows

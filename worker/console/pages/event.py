"""`/event?id=`: where an event is, in every group."""

from collections.abc import Mapping
from typing import Any, Final

from ...find import words
from ...find.life import Dead, InGroup
from ..asked import Asked, Context
from ..searches import BusyError
from ..view import View

SIGNS: Final = {"good": "✓", "unsure": "?", "waits": "◷", "bad": "✕", "quiet": "·"}
COLOURS: Final = {"good": "ok", "unsure": "warn", "waits": "warn", "bad": "bad", "quiet": "dimmer"}
Row = tuple[str, str, str, str, str]
"""Group, sign, colour, state in words, and the name of its dead letter, "" for none."""
MAX_CHARS: Final = 200
"""Of an id; longer ones are no ids."""


async def page(context: Context, asked: Asked) -> View:
    """Searches as `hookbus-worker find` does, without its options; not for a link in a page of others, which offers
    its id only, as any page can send many people there."""
    name = asked.query.get("id", "").strip()[:MAX_CHARS]
    found, problem = None, ""
    if name and asked.is_asked_here:
        try:
            found = await context.searches.find(context.client, context.shards, name)
        except BusyError as error:
            problem = str(error)
    now_ms = context.look.now_ms()
    lives = [(life, groups_of(life.groups, now_ms)) for life in found.lives] if found else []
    values: dict[str, Any] = {"name": name, "found": found, "lives": lives, "now_ms": now_ms}
    values |= {"problem": problem, "words": words}
    status = 503 if problem else 404 if found is not None and not lives else 200
    return View(
        "event.html", values, f"Event {name}" if name else "Where is my event?", "/events", status, is_live=False
    )


def groups_of(groups: Mapping[str, InGroup], now_ms: int) -> list[Row]:
    """The rows of every group, by name."""
    return [row for name in sorted(groups) for row in _of_group(name, groups[name], now_ms)]


def _of_group(name: str, group: InGroup, now_ms: int) -> list[Row]:
    rows = []
    for state in group.states:
        text, tone = words.state(state, now_ms)
        rows.append((name, SIGNS[tone], COLOURS[tone], text, state.letter if isinstance(state, Dead) else ""))
    return rows

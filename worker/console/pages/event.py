"""`/event?id=`: where an event is, in every group."""

import asyncio
from typing import Any, Final

from ...find import search, words
from ...find.life import Dead, InGroup
from ..asked import Asked, Context
from ..view import View

SIGNS: Final = {"good": "✓", "waits": "◷", "bad": "✕", "quiet": "·"}
COLOURS: Final = {"good": "ok", "waits": "warn", "bad": "bad", "quiet": "dimmer"}
MAX_CHARS: Final = 200
"""Of an id; longer ones are no ids."""

_one_at_once = asyncio.Lock()
"""A search reads through up to 200,000 events: several at once would hold Redis up."""


async def page(context: Context, asked: Asked) -> View:
    """Searches as `hookbus-worker find` does, without its options."""
    name = asked.query.get("id", "").strip()[:MAX_CHARS]
    found = None
    if name:
        async with _one_at_once:
            found = await search.find(context.client, context.shards, name)
    now_ms = context.look.now_ms()
    lives = [(life, _rows(life.groups, now_ms)) for life in found.lives] if found else []
    values: dict[str, Any] = {"name": name, "found": found, "lives": lives, "now_ms": now_ms}
    status = 404 if found is not None and not lives else 200
    return View("event.html", values, f"Event {name}" if name else "Events", "/event", status, is_live=False)


def _rows(groups: Any, now_ms: int) -> list[tuple[str, str, str, str, str]]:
    """Group, sign, colour, state in words, and the name of its dead letter, "" for none."""
    return [row for name in sorted(groups) for row in _of_group(name, groups[name], now_ms)]


def _of_group(name: str, group: InGroup, now_ms: int) -> list[tuple[str, str, str, str, str]]:
    rows = []
    for state in group.states:
        text, tone = words.state(state, now_ms)
        rows.append((name, SIGNS[tone], COLOURS[tone], text, state.letter if isinstance(state, Dead) else ""))
    return rows

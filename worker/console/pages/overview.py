"""`/`: what needs somebody, the figures of the last hour, groups × types, groups, and causes of deaths."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from .. import attention, draw, matrix, worst
from ..asked import Asked, Context
from ..history import History
from ..look import Look
from ..view import View

MAX_CAUSES: Final = 8
MAX_TROUBLES: Final = 12


class Figure(NamedTuple):
    """One figure with its plot; `colour` is a class of the style sheet."""

    name: str
    text: str
    beside: str
    series: list[float]
    colour: str


async def page(context: Context, _: Asked) -> View:
    """Draws from the last look alone."""
    look = context.look
    groups = look.bus.status.groups
    names = worst.first(groups)
    troubles = attention.of_look(look)
    values: dict[str, Any] = {
        "look": look,
        "troubles_shown": troubles[:MAX_TROUBLES],
        "more_troubles": len(troubles) - MAX_TROUBLES,
        "figures": list(_figures(look, context.looker.history)),
        "matrix_html": context.templates.once("matrix.html", look.number, lambda: _matrix(look, names)),
        "groups": [(name, groups[name], worst.oldest_s(groups[name])) for name in names],
        "history": context.looker.history,
        "causes": look.causes[:MAX_CAUSES],
        "cause_count": len(look.causes),
        "dead": sum(cause.count for cause in look.causes),
    }
    return View("overview.html", values, "Overview", "/")


def _matrix(look: Look, names: list[str]) -> dict[str, Any]:
    groups = look.bus.status.groups
    alive = {name: f"{groups[name].consumers_alive}/{groups[name].consumers}" for name in names}
    return {"matrix": matrix.of_look(look, names), "alive": alive}


def _figures(look: Look, history: History) -> Iterator[Figure]:
    groups = look.bus.status.groups
    types = [entry for group in groups.values() for entry in group.types.values()]
    stored = history.rate("stored")
    yield Figure("Stored", "–" if stored is None else draw.rate(stored), "/s", history.rates("stored"), "c-accent")
    backlog = sum(entry.backlog for entry in types)
    yield Figure("Backlog", draw.count(backlog), "", history.series("backlog"), "c-warn")
    in_flight = sum(entry.in_flight for entry in types)
    yield Figure("In flight", draw.count(in_flight), "", history.series("in_flight"), "c-ok")
    ages = [(age_s, name) for name, group in groups.items() if (age_s := worst.oldest_s(group)) is not None]
    oldest_s, whose = max(ages, default=(None, ""))
    oldest = "–" if oldest_s is None else draw.age(oldest_s)
    yield Figure("Oldest unhandled", oldest, whose, history.series("oldest_s"), "c-bad")
    delayed = sum(group.delayed for group in groups.values())
    yield Figure("Retries waiting", draw.count(delayed), "", history.series("delayed"), "c-warn")
    dead = sum(group.dead for group in groups.values())
    beside = f"+{draw.count(look.died_last_hour)} last hour" if look.died_last_hour else ""
    yield Figure("Dead letters", draw.count(dead), beside, history.series("dead"), "c-bad")
    redis = look.bus.redis
    limit = f"of {draw.size(redis.maxmemory_bytes)}" if redis.maxmemory_bytes > 0 else ""
    yield Figure("Memory of Redis", draw.size(redis.used_memory_bytes), limit, history.series("memory"), "c-dim")

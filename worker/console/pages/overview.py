"""`/`: what needs somebody, the figures of the last hour, groups × types, groups, and causes of deaths."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from .. import attention, draw, matrix, work, worst
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
    title: str = ""


async def page(context: Context, _: Asked) -> View:
    """Draws from the last look alone."""
    look = context.look
    groups = look.bus.status.groups
    names = worst.first(look.bus.status, look.bus.now_ms)
    troubles = attention.folded(attention.of_look(look))
    causes = look.beside.causes
    values: dict[str, Any] = {
        "look": look,
        "troubles_shown": troubles[:MAX_TROUBLES],
        "more_troubles": len(troubles) - MAX_TROUBLES,
        "figures": list(_figures(look, context.looker.history)),
        "matrix_html": context.templates.once("matrix.html", look.number, lambda: _matrix(look, names)),
        "steps": f"{draw.STEPS} Of the last {work.RECENT} minutes.",
        "groups": [(name, groups[name], worst.oldest_s(groups[name])) for name in names],
        "worked": {name: _worked(look, name) for name in names},
        "history": context.looker.history,
        "causes": causes[:MAX_CAUSES],
        "cause_count": len(causes),
        "dead": sum(cause.count for cause in causes),
    }
    return View("overview.html", values, "Overview", "/")


def _matrix(look: Look, names: list[str]) -> dict[str, Any]:
    groups = look.bus.status.groups
    alive = {name: f"{groups[name].consumers_alive}/{groups[name].consumers}" for name in names}
    return {"matrix": matrix.of_look(look, names), "alive": alive}


def _worked(look: Look, group: str) -> tuple[str, str, str]:
    """What a group handled in a second, and how long half of its attempts took at most, and nearly all."""
    minutes, now_ms = look.beside.minutes, look.bus.now_ms
    recent = work.recent(minutes, now_ms, group)
    handled = f"{draw.rate(work.rate(minutes, now_ms, work.handled, group))} /s" if minutes else "–"
    return handled, draw.bound(recent.bound_s(0.5)), draw.bound(recent.bound_s(0.99))


def _figures(look: Look, history: History) -> Iterator[Figure]:
    yield from _rates(look, history)
    groups = look.bus.status.groups
    backlog = sum(entry.backlog for group in groups.values() for entry in group.types.values())
    yield Figure("Backlog", draw.count(backlog), "", history.series("backlog"), "c-warn")
    ages = [(age_s, name) for name, group in groups.items() if (age_s := worst.oldest_s(group)) is not None]
    oldest_s, whose = max(ages, default=(None, ""))
    oldest = "–" if oldest_s is None else draw.age(oldest_s)
    yield Figure("Oldest unhandled", oldest, whose, history.series("oldest_s"), "c-bad")
    dead = sum(group.dead for group in groups.values())
    died = look.beside.died_last_hour
    beside = f"+{draw.count(died)} last hour" if died else ""
    yield Figure("Dead letters", draw.count(dead), beside, history.series("dead"), "c-bad")
    yield _durations(look)


def _rates(look: Look, history: History) -> Iterator[Figure]:
    stored = history.rate("stored")
    yield Figure("Stored", "–" if stored is None else draw.rate(stored), "/s", history.rates("stored"), "c-accent")
    minutes, now_ms = look.beside.minutes, look.bus.now_ms
    for name, counted, colour in (("Handled", work.handled, "c-ok"), ("Failed", work.failed, "c-bad")):
        points = work.rates(minutes, now_ms, counted)
        yield Figure(name, draw.rate(points[-1]) if minutes else "–", "/s", points, colour)


def _durations(look: Look) -> Figure:
    recent = work.recent(look.beside.minutes, look.bus.now_ms)
    half, most = (draw.bound(recent.bound_s(share)) for share in (0.5, 0.99))
    counts = [float(count) for count in recent.latencies]
    title = f"{draw.STEPS} The plot has those of each step, of the last {work.RECENT} minutes."
    return Figure("p50 · p99 of attempts", half, f"· {most}" if any(counts) else "", counts, "c-dim", title)

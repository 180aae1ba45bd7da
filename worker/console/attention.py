"""What needs somebody, worst first: the troubles that `hookbus-worker status` shows, and deaths that are many. Pure.

Dead letters by themselves are no trouble of the moment, so they are not counted: a page lists their causes.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from ..inspect import troubles
from ..inspect.trouble import Kind, Trouble
from .draw import count, path
from .look import Look

TOLD_ONLY: Final = frozenset({Kind.DEAD, Kind.DROPPED, Kind.ORPHAN})
"""Nobody has to act on them at once: what is there, beside what needs somebody."""


class Place(NamedTuple):
    """A page that shows more, and what it shows."""

    path: str
    name: str


LETTERS: Final = Place("/dead", "the dead letters")
PROCESSES: Final = Place("/processes", "the processes")
PLACES: Final = {Kind.SURGE: LETTERS, Kind.DEATHS: LETTERS, Kind.NOT_READY: PROCESSES}
"""Of troubles that are no group's."""
SURGE: Final = 3
"""Deaths in an hour are many when they are this many times those of the hour before (a guess)."""


def of_look(look: Look) -> list[Trouble]:
    """What needs somebody, worst first."""
    found = (each for each in troubles.of_status(look.bus.status, look.bus.now_ms) if each.kind not in TOLD_ONLY)
    return troubles.worst_first((*found, *_of_deaths(look)))


def folded(found: Iterable[Trouble]) -> list[list[Trouble]]:
    """What is drawn as a line each: all troubles of a group, and each one of the whole bus."""
    lines: dict[str, list[Trouble]] = {}
    for i, trouble in enumerate(found):
        lines.setdefault(f"group {trouble.group}" if trouble.group else f"bus {i}", []).append(trouble)
    return list(lines.values())


def told_only(look: Look) -> list[Trouble]:
    """The other troubles."""
    return [each for each in troubles.of_status(look.bus.status, look.bus.now_ms) if each.kind in TOLD_ONLY]


def place(trouble: Trouble) -> Place | None:
    """Where to look further."""
    return Place(f"/groups/{path(trouble.group)}", trouble.group) if trouble.group else PLACES.get(trouble.kind)


def _of_deaths(look: Look) -> Iterator[Trouble]:
    beside = look.beside
    if not beside.died_last_hour:
        return
    kind = Kind.SURGE if beside.died_last_hour > SURGE * max(1, beside.died_hour_before) else Kind.DEATHS
    newest = max(beside.causes, key=lambda cause: cause.last_ms, default=None)
    last = f"; the last: {newest.kind.error_class or newest.kind.reason} in {newest.group}" if newest else ""
    problem = (
        f"{count(beside.died_last_hour)} died in the last hour, {count(beside.died_hour_before)} in the one before"
    )
    yield Trouble(kind, problem + last, "look at the causes: hookbus-worker dlq groups --since 1h")
